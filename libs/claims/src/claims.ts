import type { ChannelEntry } from './channel-claims';
import type { EntryTable } from './entry-table';
import type { ClaimedLimits } from './limit-claims';
import type { Match } from './resolve';

/** What a token is presented for (tokens-and-claims §2). */
export type TokenUse = 'connect' | 'subscribe' | 'umd';

/** A verified token's claims, validated and compiled once; every later decision reads only this. */
export interface Claims {
  /** Unix seconds, possibly fractional. */
  readonly exp: number;
  /** Unix seconds, possibly fractional; absent too when the claim is no date. */
  readonly iat?: number;
  /** Of the signing key that verified it; the token's own `kid` where that key has none. */
  readonly keyId?: string;
  readonly scopes: ReadonlySet<string>;
  /** `null` when the claim is missing, `null` or empty. */
  readonly uid: string | null;
  /** JSON text of `umd`, `'null'` without one. */
  readonly umdJson: string;
  /** Whether the token carries a `umd` other than `null`. */
  readonly hasUmd: boolean;
  readonly jti?: string;
  readonly singleUse: boolean;
  readonly connectionId?: string;
  readonly keepAlive: boolean;
  /** Whether the connection ends with its token; absent: as it is configured (management-api §5). */
  readonly closeAtExp?: boolean;
  /** Seconds, 5 to 600. */
  readonly heartbeatTimeout?: number;
  /** What this connection may do instead of what is set (limits §4). */
  readonly limits?: ClaimedLimits;
  readonly umdUpdate: boolean;
  readonly umdPropagate: boolean;
  readonly channels: EntryTable<ChannelEntry>;
  /** Alias to real channel name. */
  readonly aliases: ReadonlyMap<string, string>;
  /**
   * Channels to subscribe at the start of a connection, in the order of the claim (websocket-protocol §2). Each still goes
   * through `canSubscribe`: an explicit `subscribe: false` denies it.
   */
  readonly autoSubscribe: readonly string[];
  /** The entries that match these channels, where patterns may be among them. */
  readonly matched: ReadonlyMap<string, readonly Match<ChannelEntry>[]>;
}
