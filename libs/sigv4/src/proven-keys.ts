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
  private readonly kept = new Map<string, Uint8Array>();

  constructor(private readonly max = MAX_KEPT) {}

  /**
   * Lets the key of this secret and scope, kept or made, prove itself; one that is right is kept.
   *
   * @param isRight whether this key has signed the request
   * @returns what `isRight` says
   */
  proves(secretAccessKey: string, scope: CredentialScope, isRight: (key: Uint8Array) => boolean): boolean {
    const name = `${scopeText(scope)} ${secretAccessKey}`;
    const kept = this.kept.get(name);
    if (kept !== undefined) return isRight(kept);
    const key = signingKey(secretAccessKey, scope);
    if (!isRight(key)) return false;
    this.keep(name, key);
    return true;
  }

  /** The oldest one makes room. */
  private keep(name: string, key: Uint8Array): void {
    const [oldest] = this.kept.keys();
    if (oldest !== undefined && this.kept.size >= this.max) this.kept.delete(oldest);
    this.kept.set(name, key);
  }

  get size(): number {
    return this.kept.size;
  }
}
