import type { EntryTable } from './entry-table';

/** What a token is presented for (tokens-and-claims §2). */
export type TokenUse = 'connect' | 'subscribe' | 'umd';

/** Directives of one key under `messages` (tokens-and-claims §4.3). An absent directive is `undefined`, never its default. */
export interface MessageEntry {
  readonly publish?: boolean;
  readonly broadcast?: boolean;
  readonly echo?: boolean;
  readonly emitPubSubEvent?: boolean;
  /** Seconds; 0 is not stored, -1 is for ever. */
  readonly store?: number;
  /** Unix seconds. */
  readonly scheduleBefore?: number;
  readonly react?: boolean | readonly string[];
}

/** Directives of one key under `storage` (tokens-and-claims §4.4). */
export interface StorageEntry {
  readonly observe?: boolean;
  readonly get?: boolean;
  readonly set?: boolean;
  readonly emitPubSubEvent?: boolean;
  /** Seconds; -1 is for ever. */
  readonly store?: number;
  /** Unix seconds. */
  readonly scheduleBefore?: number;
}

/** Directives of one key under `channels` (tokens-and-claims §4.2). */
export interface ChannelEntry {
  readonly subscribe?: boolean;
  readonly autoSubscribe?: boolean;
  readonly alias?: string;
  /** Unix seconds. */
  readonly historyStart?: number;
  readonly omitFromSubCount?: boolean;
  readonly getInfo?: boolean;
  readonly umdUpdate?: boolean;
  readonly messages: EntryTable<MessageEntry>;
  readonly storage: EntryTable<StorageEntry>;
}

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
  /** Seconds, 5 to 600. */
  readonly heartbeatTimeout?: number;
  readonly umdUpdate: boolean;
  readonly umdPropagate: boolean;
  readonly channels: EntryTable<ChannelEntry>;
  /** Alias to real channel name. */
  readonly aliases: ReadonlyMap<string, string>;
  /** Channels with `autoSubscribe: true`, in the order of the claim. */
  readonly autoSubscribe: readonly string[];
}
