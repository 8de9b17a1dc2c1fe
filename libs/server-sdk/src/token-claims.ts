/** Seconds since 1970, fractions allowed. */
export type NumericDate = number;

/** What a token says (tokens-and-claims §3). Other members are signed as they are. */
export interface Claims {
  /** When the token ends. Hearth refuses tokens without it; `issuerTokenTtl` sets it for every token. */
  exp?: NumericDate;
  /** What the token is for: `connect`, `subscribe`, `umd`, or several, separated by spaces. Hearth requires it. */
  scope?: string;
  aud?: string | readonly string[];
  iss?: string;
  iat?: NumericDate;
  /** The token is not valid before. */
  nbf?: NumericDate;
  /** Name of this one token; needed for `singleUse`. */
  jti?: string;
  /** The token works once. Default `false`. */
  singleUse?: boolean;
  /** The only connection that may use the token; not for `connect`. */
  connectionId?: string;
  /** The user, at most 128 characters. */
  uid?: string | null;
  /** User metadata, at most 1 KiB as JSON. */
  umd?: unknown;
  /** The server says something before the connection would be closed for its silence. Default `false`; `connect` only. */
  keepAlive?: boolean;
  /** Whether the connection ends when the token expires; by default as the server is configured. `connect` only. */
  closeAtExp?: boolean;
  /** Seconds of silence after which the connection is closed, 5 to 600; `connect` only. */
  heartbeatTimeout?: number;
  /** What the connection may do, instead of what the installation allows; `connect` only. */
  limits?: LimitClaims;
  /** `umd` scope: the connection's metadata may be changed. Default `false`. */
  umdUpdate?: boolean;
  /** With `umdUpdate`: the subscriptions' metadata changes along. Default `false`. */
  umdPropagate?: boolean;
  /** Permissions by channel name, name with `*`, or `#regex:` and a pattern. */
  channels?: Readonly<Record<string, ChannelClaims>>;
  [claim: string]: unknown;
}

/** Tokens a second, or that and the most that can be saved up; `0` = none, `-1` = no limit. */
export type LimitRate = number | readonly [perSecond: number, burst: number];

/** Limits of one connection (limits §4). */
export interface LimitClaims {
  publish?: LimitRate;
  subscribe?: LimitRate;
  presence?: LimitRate;
  storage?: LimitRate;
  reaction?: LimitRate;
  history?: LimitRate;
  /** Everything that it sends. */
  frames?: LimitRate;
  bytes?: LimitRate;
  /** Answers `RATE_LIMITED` before the connection is closed. */
  strikes?: LimitRate;
  /** Most subscriptions. */
  subscriptions?: number;
  /** Most connections of its `uid`, for it to be let in. */
  uidConnections?: number;
  [limit: string]: unknown;
}

/** What a token allows on a channel (tokens-and-claims §4.2). */
export interface ChannelClaims {
  /** An explicit `false` wins over every `true`, as in all boolean directives. */
  subscribe?: boolean;
  /** Subscribes on connect. Exact channel names only. */
  autoSubscribe?: boolean;
  /** Another name for the channel, for this client. Exact channel names only. */
  alias?: string;
  /** Oldest message that may be looked up; `0` allows all. */
  historyStart?: NumericDate;
  /** Does not count in `subscriptionsCount`. */
  omitFromSubCount?: boolean;
  /** Channel information may be read without a subscription. */
  getInfo?: boolean;
  /** `umd` scope: the subscription's metadata may be changed. */
  umdUpdate?: boolean;
  /** Permissions by event name, name with `*`, or `#regex:` and a pattern. */
  messages?: Readonly<Record<string, MessageClaims>>;
  /** Permissions by storage key, key with `*`, or `#regex:` and a pattern. */
  storage?: Readonly<Record<string, StorageClaims>>;
  [directive: string]: unknown;
}

/** What a token allows with messages of an event (tokens-and-claims §4.3). */
export interface MessageClaims {
  /** Publish while subscribed. */
  publish?: boolean;
  /** Publish without a subscription; `connect` only. */
  broadcast?: boolean;
  /** The sender receives its own messages, too. */
  echo?: boolean;
  emitPubSubEvent?: boolean;
  /** Seconds to keep messages; `0` not at all, `-1` for ever. */
  store?: number;
  /** Latest instant that messages may be scheduled for. */
  scheduleBefore?: NumericDate;
  /** `true` allows all reactions, an array those in it. */
  react?: boolean | readonly string[];
  [directive: string]: unknown;
}

/** What a token allows with a storage entry (tokens-and-claims §4.4). */
export interface StorageClaims {
  /** Changes are delivered while subscribed. */
  observe?: boolean;
  get?: boolean;
  set?: boolean;
  /** Seconds to keep what is set; `-1`, the default, for ever. */
  store?: number;
  /** Latest instant that a value may be scheduled for. */
  scheduleBefore?: NumericDate;
  emitPubSubEvent?: boolean;
  [directive: string]: unknown;
}
