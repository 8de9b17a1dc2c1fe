/**
 * What is denied, and to whom (management-api §3, §4): kept in Postgres, known to every gateway in memory.
 *
 * A _revocation_ concerns every use of a token, and what was opened with one. A _refusal_ keeps whoever was sent away
 * from coming back for a while.
 */

/** Each kind, with what names the one it is about. */
interface DenialNames {
  /** Revocations: the token of a `jti`; a user's tokens from before a time; tokens of a signing key. */
  readonly revokedToken: readonly [jti: string];
  readonly revokedUser: readonly [uid: string];
  readonly revokedKey: readonly [kid: string];
  /** Refusals of connect tokens. */
  readonly refusedUser: readonly [uid: string];
  readonly refusedJti: readonly [jti: string];
  readonly refusedToken: readonly [digest: string];
  /** Refusals to subscribe. */
  readonly refusedSubscriber: readonly [channel: string, uid: string];
  readonly refusedSubscription: readonly [channel: string, connectionId: string];
  /**
   * Orders, which say what is to be done once: what is open is closed, and its tokens are refused one by one, if they shall
   * be. They are kept only where a gateway was not reached.
   */
  readonly connection: readonly [connectionId: string];
  readonly channel: readonly [channel: string];
}

export type DenialKind = keyof DenialNames;

/** Whether a denial is an order, after which nothing is denied by itself. */
export function isOrder({ kind }: { readonly kind: DenialKind }): boolean {
  return kind === 'connection' || kind === 'channel';
}

export type DenialTarget = {
  readonly [Kind in DenialKind]: { readonly kind: Kind; readonly names: DenialNames[Kind] };
}[DenialKind];

export type RevocationTarget = Extract<DenialTarget, { kind: 'revokedToken' | 'revokedUser' | 'revokedKey' }>;

export type Denial = DenialTarget & {
  /** Ms from now; `null`: until it is taken back; negative: it has ended. 0: what is open is closed, nothing else. */
  readonly endsInMs: number | null;
  /** Of `revokedUser`: tokens with an earlier `iat`, or none. Unix seconds. */
  readonly issuedBefore?: number;
  /** Of `revokedToken`: the end is that of the token, which has been seen. */
  readonly endsWithToken?: boolean;
  /** When it came into force, or was repeated; ms since 1970. */
  readonly sinceMs: number;
  readonly farewell: Farewell;
};

/** How connections are sent away. */
export interface Farewell {
  readonly reason: string;
  /** Whether the client library shall come back with another token. */
  readonly reconnect: boolean;
  /** Connections that stay. */
  readonly except: readonly string[];
}

/** Revocations are told by the close itself. */
export const REVOKED: Farewell = { reason: 'TOKEN_REVOKED', reconnect: true, except: [] };

/** The same for the same target, different for any other: of several names the first has no white space. */
export function denialKey({ names }: Pick<DenialTarget, 'names'>): string {
  return names.join(' ');
}
