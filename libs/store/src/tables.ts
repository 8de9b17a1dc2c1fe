import type { Generated, Kysely } from 'kysely';

/**
 * The tables as `db/migrations` makes them, for Kysely. What each table, column and index is for is written there, in
 * SQL. `int8` arrives as a number (see `database.ts`), `timestamptz` as a Date.
 */
export interface Tables {
  readonly message_log: {
    readonly channel: string;
    readonly id: string;
    readonly event: string;
    readonly data: string;
    readonly meta: string | null;
    readonly connection_id: string | null;
    readonly source_ip: string | null;
    readonly user_agent: string | null;
    readonly trigger: string;
    readonly request_id: string;
    readonly expires_at: Date | null;
  };
  readonly dedup: {
    readonly deduplication_id: string;
    readonly first_seen_ms: number;
    readonly expires_ms: number;
    readonly partition: number;
    readonly stream_epoch: number;
    readonly seq: number;
  };
  readonly partition_state: {
    readonly partition: number;
    readonly epoch: Generated<number>;
    readonly owner: string | null;
    readonly stream_epoch: Generated<number>;
    readonly seq: Generated<number>;
    readonly time_ms: Generated<number>;
    readonly stream_time: string | null;
    readonly stream_created: string | null;
    readonly caught_up_ms: number | null;
    readonly updated_at: Generated<Date>;
  };
  readonly sequencer_lease: { readonly node_id: string; readonly expires_at: Date };
  readonly single_use_token: { readonly jti_digest: string; readonly expires_at: Date };
  readonly gateway_lease: { readonly gateway_id: number; readonly node_id: string; readonly expires_at: Date };
  readonly presence_connection: {
    readonly channel: string;
    readonly connection_id: string;
    readonly partition: number;
    readonly gateway_id: number;
    readonly uid: string;
    readonly umd: string;
    readonly member_order: number;
    readonly counted: boolean;
  };
  readonly subscription_count: {
    readonly channel: string;
    readonly gateway_id: number;
    readonly partition: number;
    readonly count: number;
  };
  readonly subscription_report: {
    readonly partition: number;
    readonly gateway_id: number;
    readonly run: string;
    readonly number: number;
  };
  readonly channel_storage: {
    readonly channel: string;
    readonly key: string;
    readonly partition: number;
    readonly data: string;
    readonly meta: string;
    readonly expires_ms: number | null;
    readonly emit_event: boolean;
    readonly origin: string;
  };
  readonly message_reaction: {
    readonly channel: string;
    readonly message_id: string;
    readonly reaction: string;
    readonly uid: string;
    readonly partition: number;
    readonly id: string;
    readonly umd: string;
    readonly expires_ms: number | null;
    readonly origin: string;
  };
  readonly schedule: {
    readonly schedule_id: string;
    readonly partition: number;
    readonly due_ms: number;
    readonly payload: string;
  };
  readonly schema_migration: { readonly version: number; readonly name: string; readonly applied_at: Generated<Date> };
}

/** The database, or a transaction on it: the first argument of every query function of this library. */
export type Db = Kysely<Tables>;
