import { createHmac, createPrivateKey, sign, type KeyObject } from 'node:crypto';

/** What a token is signed with: a shared secret for HS*, a private key for the others. */
export interface TokenKey {
  readonly secret?: string | Buffer;
  /** PEM or a key object. */
  readonly privateKey?: string | KeyObject;
  /** `HS256` when not given. */
  readonly alg?: string;
  readonly kid?: string;
}

/**
 * A JWT with exactly these claims, signed as a user's backend would. Written by hand, so that a test can also sign what a
 * library would refuse; `exp` is five minutes ahead unless the claims say otherwise (`undefined` leaves it out).
 */
export function signToken(claims: Record<string, unknown>, key: TokenKey): string {
  const { alg = 'HS256', kid } = key;
  const exp = Math.floor(Date.now() / 1000) + 300;
  const input = [
    { alg, typ: 'JWT', kid },
    { exp, ...claims },
  ]
    .map(encodeJson)
    .join('.');
  return `${input}.${signature(input, alg, key).toString('base64url')}`;
}

function encodeJson(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function signature(input: string, alg: string, { secret, privateKey }: TokenKey): Buffer {
  const hash = `sha${alg.slice(2)}`;
  if (alg.startsWith('HS') && secret !== undefined) return createHmac(hash, secret).update(input).digest();
  if (privateKey === undefined) throw new Error(`${alg} needs a ${alg.startsWith('HS') ? 'secret' : 'private key'}`);
  const data = Buffer.from(input);
  const keyObject = typeof privateKey === 'string' ? createPrivateKey(privateKey) : privateKey;
  // RFC 7518 §3.4: ECDSA signatures are the two numbers side by side; §3.5: the salt of PS* is as long as the hash.
  if (alg.startsWith('ES')) return sign(hash, data, { key: keyObject, dsaEncoding: 'ieee-p1363' });
  if (alg.startsWith('PS')) return sign(hash, data, { key: keyObject, padding: 6, saltLength: -1 });
  return sign(alg === 'EdDSA' ? null : hash, data, keyObject);
}
