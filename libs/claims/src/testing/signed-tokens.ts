import { constants, createHmac, createSecretKey, type KeyObject, sign } from 'node:crypto';
import type { Claims, TokenUse } from '../claims';
import type { SigningMethod } from '../signing-methods';
import { type TokenSettings, verifyToken } from '../verify-token';

/** Issues tokens for tests with node:crypto alone, so that what verifies them is not what signed them. */

export const NOW_MS = Date.UTC(2026, 0, 1);
export const NOW = NOW_MS / 1_000;
export const SECRET = Buffer.from('a shared secret of thirty-two by');

export const SETTINGS: TokenSettings = {
  keys: [{ slot: 1, method: 'HS256', key: createSecretKey(SECRET) }],
  leewaySeconds: 0,
  requireKid: false,
};

export function base64url(content: string | Buffer): string {
  return Buffer.from(content).toString('base64url');
}

/** A token of these exact texts. */
export function signTexts(header: string | Buffer, payload: string | Buffer, secret: Buffer = SECRET): string {
  const input = `${base64url(header)}.${base64url(payload)}`;
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
}

export function signHs256(claims: unknown, header: object = {}, secret: Buffer = SECRET): string {
  return signTexts(JSON.stringify({ alg: 'HS256', typ: 'JWT', ...header }), JSON.stringify(claims), secret);
}

/** A token of any method, signed with a private key or a secret. */
export function signWith(method: SigningMethod, key: KeyObject, claims: object, header: object = {}): string {
  const input = `${base64url(JSON.stringify({ alg: method, ...header }))}.${base64url(JSON.stringify(claims))}`;
  return `${input}.${rawSignature(method, key, Buffer.from(input)).toString('base64url')}`;
}

function rawSignature(method: SigningMethod, key: KeyObject, input: Buffer): Buffer {
  const hash = `sha${method.slice(2)}`;
  switch (method.slice(0, 2)) {
    case 'HS':
      return createHmac(hash, key).update(input).digest();
    case 'RS':
      return sign(hash, input, key);
    case 'PS':
      return sign(hash, input, {
        key,
        padding: constants.RSA_PKCS1_PSS_PADDING,
        saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
      });
    case 'ES':
      return sign(hash, input, { key, dsaEncoding: 'ieee-p1363' });
    default:
      return sign(null, input, key);
  }
}

/** Claims of a valid token with these members, as every other part sees them. */
export function compiled(claims: object, use: TokenUse = 'connect'): Promise<Claims> {
  return verifyToken(signHs256({ exp: NOW + 60, scope: use, ...claims }), use, SETTINGS, NOW_MS);
}
