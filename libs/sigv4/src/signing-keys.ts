import { CredentialScope, scopeText, signingKey } from './canonical-request';

/** A backend signs with one key, region and day; this many leaves room for all that an installation can have. */
const MAX_KEPT = 256;

/**
 * Signing keys that have verified a request, so that the next one of that day and region costs one HMAC instead of five.
 *
 * Kept by the secret itself rather than by its id: a secret that was replaced can never be answered from here. Only what
 * proved right is kept, so strangers who make up regions drive nobody else's key out.
 */
export class SigningKeys {
  private readonly kept = new Map<string, Buffer>();

  constructor(private readonly max = MAX_KEPT) {}

  /** The key of this secret and scope, kept or made. */
  of(secretAccessKey: string, scope: CredentialScope): Buffer {
    return this.kept.get(nameOf(secretAccessKey, scope)) ?? signingKey(secretAccessKey, scope);
  }

  /** Keeps a key that has proved right; the oldest one makes room. */
  keep(secretAccessKey: string, scope: CredentialScope, key: Buffer): void {
    const name = nameOf(secretAccessKey, scope);
    if (this.kept.has(name)) return;
    const [oldest] = this.kept.keys();
    if (oldest !== undefined && this.kept.size >= this.max) this.kept.delete(oldest);
    this.kept.set(name, key);
  }

  get size(): number {
    return this.kept.size;
  }
}

function nameOf(secretAccessKey: string, scope: CredentialScope): string {
  return `${scopeText(scope)} ${secretAccessKey}`;
}
