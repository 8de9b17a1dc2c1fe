// Made by `npm run db:dump` from db/migrations, where the comments are. Do not edit.

import type { Generated } from 'kysely';

export interface Tables {
  channel_end: { channel: string; partition: number; series: number; stream_epoch: number; seq: number; id: string; noted_at: Generated<Date> };
  channel_end_note: { partition: number; series: number; deliver_created: string; deliver_seq: number };
  channel_storage: { channel: string; key: string; partition: number; data: string; meta: string; expires_ms: number | null; emit_event: boolean; origin: string };
  dedup: { deduplication_id: string; first_seen_ms: number; expires_ms: number; partition: number; stream_epoch: number; seq: number; earlier: string | null; result: string | null };
  denial: { id: string; kind: string; names: string; target_digest: Buffer; version: number; ends_at: Date | null; created_at: Generated<Date>; since: Generated<Date>; issued_before_ms: number | null; ends_with_token: Generated<boolean>; reason: string | null; farewell: string | null };
  denial_version: { only_row: Generated<boolean>; version: number };
  gateway_lease: { gateway_id: number; node_id: string; expires_at: Date };
  installation_key: { name: string; key: Buffer };
  message_log: { channel: string; id: string; event: string; data: string; meta: string | null; connection_id: string | null; source_ip: string | null; user_agent: string | null; trigger: string; request_id: string; expires_at: Date | null; eager_id: string | null };
  message_reaction: { channel: string; message_id: string; reaction: string; uid: string; partition: number; id: string; umd: string; expires_ms: number | null; origin: string };
  open_connection: { partition: number; gateway_id: number; connection_id: string; data: string };
  open_subscription: { partition: number; gateway_id: number; channel: string; connection_id: string; uid: string; umd: string };
  partition_state: { partition: number; epoch: Generated<number>; owner: string | null; stream_epoch: Generated<number>; seq: Generated<number>; time_ms: Generated<number>; stream_time: string | null; stream_created: string | null; caught_up_ms: number | null; updated_at: Generated<Date>; lanes: Generated<string>; deliver_created: string | null; deliver_seq: number | null; deliver_unsure_ms: number | null };
  presence_connection: { channel: string; connection_id: string; partition: number; gateway_id: number; uid: string; umd: string; member_order: number; counted: boolean };
  schedule: { schedule_id: string; partition: number; due_ms: number; payload: string };
  schema_migration: { version: number; name: string; applied_at: Generated<Date> };
  sequencer_lease: { node_id: string; expires_at: Date; session: string | null };
  single_use_token: { jti_digest: string; expires_at: Date; used_by: string | null };
  subscription_count: { channel: string; gateway_id: number; partition: number; count: number };
  subscription_report: { partition: number; gateway_id: number; run: string; number: number };
  waiting_event: { partition: number; number: number; event: string };
  webhook_dead_letter: { id: string; target: string; ordering_key: string; stream_epoch: number; seq: number; event_id: string; type: string; channel: string | null; payload: Buffer; attempts: number; last_error: string | null; waiting_since: Date; given_up_at: Generated<Date>; retry_requested_at: Date | null };
  webhook_target: { target: string; owner: string | null; lease_until: Generated<Date>; epoch: Generated<number>; stream_epoch: Generated<number>; seq: Generated<number>; stream_time: Generated<string>; stream_created: Generated<string>; updated_at: Generated<Date> };
  webhook_waiting: { target: string; ordering_key: string; stream_epoch: number; seq: number; event_id: string; type: string; channel: string | null; payload: Buffer; attempts: number; last_error: string | null; waiting_since: Generated<Date> };
}
