import { MAX_STORE_SECONDS } from '@hearth/protocol';
import { TokenError } from './token-error';

/**
 * Readers of single claims. Each takes the object that holds the claim, its name and the object's path; each returns
 * `undefined` for a claim that is absent or `null` and refuses the whole token for a wrong type (tokens-and-claims §3).
 */

export type JsonObject = Readonly<Record<string, unknown>>;

/** Keys in messages are cut here: a claim path is for finding the claim, a token may hold keys of many kilobytes. */
const MAX_SHOWN_KEY_CHARACTERS = 80;

/** Where a value stands in the claims; spelled out only when it is refused. */
export class ClaimPath {
  static readonly root = new ClaimPath(undefined, 'name', '');

  private constructor(
    private readonly parent: ClaimPath | undefined,
    private readonly kind: 'name' | 'key',
    private readonly text: string,
  ) {}

  /** A claim or directive, whose name is ours. */
  member(name: string): ClaimPath {
    return new ClaimPath(this, 'name', name);
  }

  /** An entry, whose key the issuer chose. */
  entry(key: string): ClaimPath {
    return new ClaimPath(this, 'key', key);
  }

  toString(): string {
    if (this.parent === undefined) return '';
    const parent = this.parent.toString();
    if (this.kind === 'name') return parent === '' ? this.text : `${parent}.${this.text}`;
    const cut = this.text.length > MAX_SHOWN_KEY_CHARACTERS;
    return `${parent}[${JSON.stringify(cut ? `${this.text.slice(0, MAX_SHOWN_KEY_CHARACTERS)}…` : this.text)}]`;
  }
}

export function refuse(path: ClaimPath, problem: string): never {
  throw new TokenError('claims', `${path.toString()} ${problem}`);
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** An own member that is not `null`. Only own members count: claims may be named like members of every object. */
export function claim(object: JsonObject, name: string): unknown {
  return Object.hasOwn(object, name) ? (object[name] ?? undefined) : undefined;
}

export function booleanClaim(object: JsonObject, name: string, path: ClaimPath): boolean | undefined {
  const value = claim(object, name);
  if (value === undefined || typeof value === 'boolean') return value;
  return refuse(path.member(name), 'must be a boolean');
}

export function stringClaim(object: JsonObject, name: string, path: ClaimPath): string | undefined {
  const value = claim(object, name);
  if (value === undefined || typeof value === 'string') return value;
  return refuse(path.member(name), 'must be a string');
}

/**
 * 9999-12-31T23:59:59Z: the last instant that RFC 3339 can write, in which NATS is asked, and less than ids and the
 * database hold. Backends write the largest number they have for "never", and its milliseconds would be infinity.
 */
const LATEST_SECONDS = 253_402_300_799;

/** NumericDate: Unix seconds, fractions allowed, cut to 1970 … 9999. `1e400` is parsed as infinity and refused. */
export function dateClaim(object: JsonObject, name: string, path: ClaimPath): number | undefined {
  const value = claim(object, name);
  if (value === undefined) return undefined;
  if (typeof value === 'number' && Number.isFinite(value)) {
    return Math.min(Math.max(value, 0), LATEST_SECONDS);
  }
  return refuse(path.member(name), 'must be a finite number of seconds');
}

export function objectClaim(object: JsonObject, name: string, path: ClaimPath): JsonObject | undefined {
  const value = claim(object, name);
  if (value === undefined || isObject(value)) return value;
  return refuse(path.member(name), 'must be an object');
}

export function isArrayOfStrings(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((element) => typeof element === 'string');
}

/** `store` (tokens-and-claims §4.3, §4.4): seconds or -1, and 0 only where `zero` allows it. */
export function storeClaim(object: JsonObject, path: ClaimPath, zero: 'zero' | 'no zero'): number | undefined {
  const value = claim(object, 'store');
  if (value === undefined) return undefined;
  const least = zero === 'zero' ? 0 : 1;
  const valid = typeof value === 'number' && Number.isInteger(value);
  if (valid && (value === -1 || (value >= least && value <= MAX_STORE_SECONDS))) return value;
  return refuse(path.member('store'), `must be -1 or an integer from ${least} to ${MAX_STORE_SECONDS}`);
}
