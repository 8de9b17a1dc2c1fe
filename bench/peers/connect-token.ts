import { jwtVerify } from 'jose';

/** The claims of a connect token that the two do-it-yourself servers use. */
export interface ConnectClaims {
  readonly uid: string;
  readonly channels: readonly string[];
}

/** Checks a token as one would by hand: signature, expiry, scope. Rejects when it is not good. */
export async function verifyConnectToken(secret: Uint8Array, token: string): Promise<ConnectClaims> {
  const { payload } = await jwtVerify(token, secret, { algorithms: ['HS256'], requiredClaims: ['exp'] });
  if (payload['scope'] !== 'connect') throw new Error('not a connect token');
  const channels = payload['channels'];
  if (typeof channels !== 'object' || channels === null) throw new Error('no channels');
  return { uid: String(payload['uid']), channels: Object.keys(channels) };
}
