/** Why a token was refused; stable strings for logs and metrics. */
export type TokenErrorReason =
  | 'malformed'
  | 'no_keys'
  | 'key_id'
  | 'algorithm'
  | 'signature'
  | 'expired'
  | 'not_yet_valid'
  | 'audience'
  | 'issuer'
  | 'claims'
  | 'scope'
  | 'binding'
  | 'revoked';

/**
 * A token that may not be used. The message names the offending header or claim and is safe to show and to log: it
 * never contains the token, its signature or key material.
 */
export class TokenError extends Error {
  override readonly name = 'TokenError';

  constructor(
    readonly reason: TokenErrorReason,
    message: string,
  ) {
    super(message);
  }

  /**
   * HTTP status of a refused handshake (websocket-protocol §1.1): a genuine token in the wrong place is forbidden, every
   * other one is unauthorized.
   */
  get status(): 401 | 403 {
    return this.reason === 'scope' || this.reason === 'binding' ? 403 : 401;
  }
}
