import { hash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { LiveSettings } from './live-settings';

/** The API keys of the server-side HTTP API (publish-api §2). */
export class ApiKeys {
  #source: readonly string[] = [];
  #digests: readonly Buffer[] = [];

  constructor(private readonly live: Pick<LiveSettings, 'current'>) {}

  /**
   * Whether `key` is one of the keys in force. The time it takes tells nothing about a key: digests of equal length
   * are compared, each in constant time, and all of them even after a match.
   */
  accepts(key: string): boolean {
    const candidate = sha256(key);
    let matches = 0;
    for (const digest of this.digests()) matches |= Number(timingSafeEqual(digest, candidate));
    return matches === 1;
  }

  /** Hashed once per set of keys; a reload brings a new array. */
  private digests(): readonly Buffer[] {
    const { apiKeys } = this.live.current;
    if (apiKeys !== this.#source) {
      this.#digests = apiKeys.map(sha256);
      this.#source = apiKeys;
    }
    return this.#digests;
  }
}

/**
 * The credential in `Authorization: Bearer <key>` (scheme in any case), or, only when there is no `Authorization`, in
 * a header `Authentication` of the same form (publish-api §2). Undefined when there is none.
 */
export function bearerToken(headers: IncomingHttpHeaders): string | undefined {
  const value = headers.authorization ?? headers.authentication;
  if (typeof value !== 'string') return undefined;
  if (!/^bearer /i.test(value)) return undefined;
  const credential = value.slice('bearer '.length).trim();
  return credential === '' ? undefined : credential;
}

function sha256(text: string): Buffer {
  return hash('sha256', text, 'buffer');
}
