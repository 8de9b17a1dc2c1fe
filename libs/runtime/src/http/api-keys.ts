import { hash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { ReloadableSettings } from '@hearth/config';

/** The API keys of the server-side HTTP API (publish-api §2). */
export class ApiKeys {
  #source: readonly string[] = [];
  #digests: readonly Buffer[] = [];
  /** Digests of what has been accepted, by what was sent: a hash costs as much as reading the rest of a request's head. */
  #known = new Map<string, Buffer>();

  constructor(private readonly reloadable: Pick<ReloadableSettings, 'current'>) {}

  /**
   * Whether `key` is one of the keys in force. The time it takes tells nothing about a key: digests of equal length
   * are compared, each in constant time, and all of them even after a match.
   *
   * @param key as Node reads a header, one character for each byte. A key may be any text, and clients send what is not
   * ASCII in UTF-8 or, fewer, in ISO 8859-1: both readings count.
   */
  accepts(key: string): boolean {
    return this.numberOf(key) > 0;
  }

  /** Which of the keys in force it is, from 1; 0 for none. As `accepts`. */
  numberOf(key: string): number {
    const digests = this.digests();
    const known = this.#known.get(key);
    if (known !== undefined) return numberIn(digests, known);
    const digest = sha256(key);
    const number = numberIn(digests, digest);
    const isAscii = Buffer.byteLength(key) === key.length;
    if (!isAscii) return number + numberIn(digests, sha256(Buffer.from(key, 'latin1')));
    // Only what is right gets in, and a text is found by a hash of all of it: nobody who guesses learns from the time.
    if (number > 0) this.#known.set(key, digest);
    return number;
  }

  /** Hashed once per set of keys; a reload brings a new array. */
  private digests(): readonly Buffer[] {
    const { apiKeys } = this.reloadable.current;
    if (apiKeys !== this.#source) {
      this.#digests = apiKeys.map(sha256);
      this.#source = apiKeys;
      this.#known.clear();
    }
    return this.#digests;
  }
}

/** Number of the key with this digest, else 0. No two keys are the same. */
function numberIn(digests: readonly Buffer[], candidate: Buffer): number {
  let number = 0;
  digests.forEach((digest, index) => (number += Number(timingSafeEqual(digest, candidate)) * (index + 1)));
  return number;
}

/** Whether a text is the secret. The time it takes tells nothing about either. */
export function isSecret(text: string, secret: string): boolean {
  return timingSafeEqual(sha256(text), sha256(secret));
}

/**
 * The credential in `Authorization: Bearer <key>` (scheme in any case), or, only when there is no `Authorization`, in
 * a header `Authentication` of the same form (publish-api §2). Undefined when there is none.
 */
export function bearerToken(headers: IncomingHttpHeaders): string | undefined {
  const value = headers.authorization ?? headers.authentication;
  if (typeof value !== 'string') return undefined;
  if (!/^bearer /i.test(value)) return undefined;
  const credential = withoutBlanks(value.slice('bearer '.length));
  return credential === '' ? undefined : credential;
}

/** Not `trim`: that takes 0xA0 for a blank, which is the last byte of "à" and of others in UTF-8. */
function withoutBlanks(text: string): string {
  const isBlank = (at: number): boolean => text[at] === ' ' || text[at] === '\t';
  let [start, end] = [0, text.length];
  while (start < end && isBlank(start)) start++;
  while (end > start && isBlank(end - 1)) end--;
  return text.slice(start, end);
}

function sha256(data: string | Buffer): Buffer {
  return hash('sha256', data, 'buffer');
}
