/** The algorithms that a token may be signed with: `alg` of its header (RFC 7518 §3.1, RFC 8037). */
export const SIGNING_METHODS = [
  'HS256',
  'HS384',
  'HS512',
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
] as const;

export type SigningMethod = (typeof SIGNING_METHODS)[number];
