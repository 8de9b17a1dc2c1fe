/** What the client HTTP API asks a gateway about channel storage (client-http-api §6). `channel` may be an alias. */
export type StorageRequest =
  | {
      readonly operation: 'channelStorageSet';
      readonly channel: string;
      readonly key: string;
      /** JSON text. */
      readonly data: string;
      /** When it is due, ms since 1970; absent = now. */
      readonly dueMs?: number;
      readonly sourceIp?: string;
      readonly userAgent?: string;
    }
  | { readonly operation: 'channelStorageGet'; readonly channel: string; readonly key: string }
  | { readonly operation: 'channelStorageList'; readonly channel: string }
  /** `channel`: the real name. No more than 256 keys, which fit into any NATS message. */
  | { readonly operation: 'readableStorageKeys'; readonly channel: string; readonly keys: readonly string[] };

/** `channel` is the real name. */
export type StorageAnswer =
  | { readonly operation: 'channelStorageSet'; readonly channel: string; readonly scheduleArn?: string }
  | { readonly operation: 'channelStorageGet'; readonly channel: string }
  /** `keys`: all that may be read; absent when they cannot be named beforehand. */
  | { readonly operation: 'channelStorageList'; readonly channel: string; readonly keys?: readonly string[] }
  /** Those that may be read. */
  | { readonly operation: 'readableStorageKeys'; readonly keys: readonly string[] };
