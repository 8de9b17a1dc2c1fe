/**
 * What is kept about channels besides their messages, as rows of tables. Texts whose names end in `Json`, and `data`,
 * `meta` and `origin`, are JSON text. Times are ms since 1970.
 */

export interface PresenceRow {
  readonly channel: string;
  readonly connectionId: string;
  readonly gatewayId: number;
  readonly uid: string;
  readonly umdJson: string;
  /** Rises with the first joining of the uid. */
  readonly memberOrder: number;
  readonly counted: boolean;
}

export interface CountRow {
  readonly channel: string;
  readonly gatewayId: number;
  readonly count: number;
}

/** The last report of a gateway's subscriptions. */
export interface ReportRow {
  readonly partition: number;
  readonly gatewayId: number;
  readonly run: string;
  readonly number: number;
}

/** A connection whose `connected` is told and whose `disconnected` is not. */
export interface ConnectionRow {
  readonly partition: number;
  readonly gatewayId: number;
  readonly connectionId: string;
  /** What events tell of it. */
  readonly dataJson: string;
}

/** A subscription to a standard channel whose `subscribed` is told and whose `unsubscribed` is not. */
export interface SubscriptionRow {
  readonly partition: number;
  readonly gatewayId: number;
  readonly channel: string;
  readonly connectionId: string;
  readonly uid: string | null;
  readonly umdJson: string;
}

export interface StorageRow {
  readonly channel: string;
  readonly key: string;
  readonly data: string;
  readonly meta: string;
  readonly expiresMs: number | null;
  readonly emitEvent: boolean;
  readonly origin: string;
}

export interface ReactionRow {
  readonly channel: string;
  readonly messageId: string;
  readonly reaction: string;
  readonly uid: string | null;
  readonly id: string;
  readonly umdJson: string;
  readonly expiresMs: number | null;
  readonly origin: string;
}

export interface ScheduleRow {
  readonly scheduleId: string;
  readonly dueMs: number;
  /** An ingest payload. */
  readonly payload: string;
}

/** A row as it shall be; `undefined` = it is gone. */
export interface RowChange<Key, Row extends Key> {
  readonly key: Key;
  readonly row: Row | undefined;
}

/** Names all rows of a channel. */
export type OfChannel = Pick<PresenceRow, 'channel'>;
export type PresenceKey = Pick<PresenceRow, 'channel' | 'connectionId'>;
export type CountKey = Pick<CountRow, 'channel' | 'gatewayId'>;
export type ReportKey = Pick<ReportRow, 'partition' | 'gatewayId'>;
export type ConnectionKey = Pick<ConnectionRow, 'partition' | 'gatewayId' | 'connectionId'>;
export type SubscriptionKey = Pick<SubscriptionRow, 'partition' | 'gatewayId' | 'channel' | 'connectionId'>;
export type StorageKey = Pick<StorageRow, 'channel' | 'key'>;
export type ReactionKey = Pick<ReactionRow, 'channel' | 'messageId' | 'reaction' | 'uid'>;
export type ScheduleKey = Pick<ScheduleRow, 'scheduleId'>;

/** Rows that changed, each once. */
export interface StateChanges {
  readonly presence: readonly RowChange<PresenceKey, PresenceRow>[];
  readonly counts: readonly RowChange<CountKey, CountRow>[];
  readonly reports: readonly RowChange<ReportKey, ReportRow>[];
  readonly connections: readonly RowChange<ConnectionKey, ConnectionRow>[];
  readonly subscriptions: readonly RowChange<SubscriptionKey, SubscriptionRow>[];
  readonly storage: readonly RowChange<StorageKey, StorageRow>[];
  readonly reactions: readonly RowChange<ReactionKey, ReactionRow>[];
  readonly schedules: readonly RowChange<ScheduleKey, ScheduleRow>[];
}
