import type { Claims } from './claims';
import { TokenError } from './token-error';

/** The connection that presents a token. */
export interface PresentingConnection {
  readonly connectionId: string;
  readonly uid: string | null;
}

/** A connect token must not name a connection: there is none yet (tokens-and-claims §2). */
export function checkConnectBinding(claims: Claims): void {
  if (claims.connectionId !== undefined) {
    throw new TokenError('binding', 'a token with a connectionId claim cannot be used to connect');
  }
}

/**
 * A subscribe or a umd token must name this connection or, without `connectionId`, the user of this connection
 * (tokens-and-claims §2).
 *
 * @throws TokenError `binding`
 */
export function checkConnectionBinding(claims: Claims, connection: PresentingConnection): void {
  if (claims.connectionId !== undefined) {
    if (claims.connectionId === connection.connectionId) return;
    throw new TokenError('binding', 'connectionId must be the id of this connection');
  }
  if (claims.uid === null) throw new TokenError('binding', 'uid or connectionId is required');
  if (claims.uid !== connection.uid) throw new TokenError('binding', "uid must be this connection's uid");
}
