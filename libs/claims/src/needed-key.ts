import type { KeyObject } from 'node:crypto';
import type { SigningMethod } from './signing-methods';

const CURVES: Partial<Record<SigningMethod, { readonly node: string; readonly name: string }>> = {
  ES256: { node: 'prime256v1', name: 'P-256' },
  ES384: { node: 'secp384r1', name: 'P-384' },
  ES512: { node: 'secp521r1', name: 'P-521' },
};

/** RFC 7518 §3.3 demands it, and jose verifies with nothing smaller. */
const MIN_RSA_BITS = 2_048;

/** What a key would have to be for an algorithm other than HS*; `undefined` when it is. */
export function neededKey(method: SigningMethod, key: KeyObject): string | undefined {
  const { asymmetricKeyType: type, asymmetricKeyDetails: { namedCurve, modulusLength = 0 } = {} } = key;
  const curve = CURVES[method];
  if (curve !== undefined) return namedCurve === curve.node ? undefined : `an EC key on curve ${curve.name}`;
  if (method === 'EdDSA') return type === 'ed25519' ? undefined : 'an Ed25519 key';
  if (type !== 'rsa') return 'an RSA key';
  return modulusLength < MIN_RSA_BITS ? `an RSA key of at least ${MIN_RSA_BITS} bits` : undefined;
}
