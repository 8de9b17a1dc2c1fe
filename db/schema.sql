-- Made by `npm run db:dump` from db/migrations, where the comments are. Do not edit.

create table channel_end (
  channel text collate "C" not null,
  partition integer not null,
  series bigint not null,
  stream_epoch bigint not null,
  seq bigint not null,
  id text collate "C" not null,
  noted_at timestamp with time zone not null default now(),
  constraint channel_end_pkey PRIMARY KEY (channel)
);

CREATE INDEX channel_end_noted_at_idx ON public.channel_end USING btree (noted_at);

create table channel_end_note (
  partition integer not null,
  series bigint not null,
  deliver_created text not null,
  deliver_seq bigint not null,
  constraint channel_end_note_pkey PRIMARY KEY (partition)
);

create table channel_storage (
  channel text collate "C" not null,
  key text collate "C" not null,
  partition integer not null,
  data text not null,
  meta text not null,
  expires_ms bigint,
  emit_event boolean not null,
  origin text not null,
  constraint channel_storage_pkey PRIMARY KEY (channel, key)
);

CREATE INDEX channel_storage_expires_ms_idx ON public.channel_storage USING btree (partition, expires_ms) WHERE (expires_ms IS NOT NULL);

create table dedup (
  deduplication_id text collate "C" not null,
  first_seen_ms bigint not null,
  expires_ms bigint not null,
  partition integer not null,
  stream_epoch bigint not null,
  seq bigint not null,
  earlier text,
  result text,
  constraint dedup_pkey PRIMARY KEY (deduplication_id)
) with (
  autovacuum_vacuum_scale_factor=0.05,
  autovacuum_vacuum_insert_scale_factor=0.1,
  autovacuum_analyze_scale_factor=0.05
);

CREATE INDEX dedup_expires_ms_idx ON public.dedup USING btree (expires_ms);

create table denial (
  id text collate "C" not null,
  kind text not null,
  names text not null,
  target_digest bytea not null,
  version bigint not null,
  ends_at timestamp with time zone,
  created_at timestamp with time zone not null default now(),
  since timestamp with time zone not null default now(),
  issued_before_ms bigint,
  ends_with_token boolean not null default false,
  reason text,
  farewell text,
  constraint denial_pkey PRIMARY KEY (id),
  constraint denial_target_digest_key UNIQUE (target_digest)
);

CREATE INDEX denial_ends_at_idx ON public.denial USING btree (ends_at);

CREATE INDEX denial_revocation_idx ON public.denial USING btree (id) WHERE (kind ~~ 'revoked%'::text);

CREATE INDEX denial_version_idx ON public.denial USING btree (version);

create table denial_version (
  only_row boolean not null default true,
  version bigint not null,
  constraint denial_version_only_row_check CHECK (only_row),
  constraint denial_version_pkey PRIMARY KEY (only_row)
);

create table gateway_lease (
  gateway_id integer not null,
  node_id text not null,
  expires_at timestamp with time zone not null,
  constraint gateway_lease_gateway_id_check CHECK (((gateway_id >= 0) AND (gateway_id <= 16777215))),
  constraint gateway_lease_pkey PRIMARY KEY (gateway_id)
);

create table installation_key (
  name text collate "C" not null,
  key bytea not null,
  constraint installation_key_pkey PRIMARY KEY (name)
);

create table message_log (
  channel text collate "C" not null,
  id text collate "C" not null,
  event text not null,
  data text not null,
  meta text,
  connection_id text,
  source_ip text,
  user_agent text,
  trigger text not null,
  request_id uuid not null,
  expires_at timestamp with time zone,
  eager_id text collate "C",
  constraint message_log_pkey PRIMARY KEY (channel, id)
) with (
  autovacuum_vacuum_scale_factor=0.02,
  autovacuum_vacuum_insert_scale_factor=0.05,
  autovacuum_analyze_scale_factor=0.02,
  toast.autovacuum_vacuum_scale_factor=0.02
);

CREATE UNIQUE INDEX message_log_eager_id_idx ON public.message_log USING btree (channel, eager_id) WHERE (eager_id IS NOT NULL);

CREATE INDEX message_log_expires_at_idx ON public.message_log USING btree (expires_at) WHERE (expires_at IS NOT NULL);

create table message_reaction (
  channel text collate "C" not null,
  message_id text collate "C" not null,
  reaction text collate "C" not null,
  uid text collate "C" not null,
  partition integer not null,
  id text collate "C" not null,
  umd text not null,
  expires_ms bigint,
  origin text not null,
  constraint message_reaction_pkey PRIMARY KEY (channel, message_id, reaction, uid)
);

CREATE INDEX message_reaction_expires_ms_idx ON public.message_reaction USING btree (expires_ms) WHERE (expires_ms IS NOT NULL);

create table open_connection (
  partition integer not null,
  gateway_id integer not null,
  connection_id text collate "C" not null,
  data text not null,
  constraint open_connection_pkey PRIMARY KEY (partition, gateway_id, connection_id)
);

create table open_subscription (
  partition integer not null,
  gateway_id integer not null,
  channel text collate "C" not null,
  connection_id text collate "C" not null,
  uid text not null,
  umd text not null,
  constraint open_subscription_pkey PRIMARY KEY (partition, gateway_id, channel, connection_id)
);

create table partition_state (
  partition integer not null,
  epoch bigint not null default 0,
  owner text,
  stream_epoch bigint not null default 0,
  seq bigint not null default 0,
  time_ms bigint not null default 0,
  stream_time text,
  stream_created text,
  caught_up_ms bigint,
  updated_at timestamp with time zone not null default now(),
  lanes text not null default ''::text,
  deliver_created text,
  deliver_seq bigint,
  deliver_unsure_ms bigint,
  constraint partition_state_pkey PRIMARY KEY (partition)
) with (
  fillfactor=20,
  autovacuum_vacuum_scale_factor=0,
  autovacuum_vacuum_threshold=500
);

create table presence_connection (
  channel text collate "C" not null,
  connection_id text collate "C" not null,
  partition integer not null,
  gateway_id integer not null,
  uid text collate "C" not null,
  umd text not null,
  member_order bigint not null,
  counted boolean not null,
  constraint presence_connection_pkey PRIMARY KEY (channel, connection_id)
);

CREATE INDEX presence_connection_gateway_idx ON public.presence_connection USING btree (partition, gateway_id);

create table schedule (
  schedule_id text collate "C" not null,
  partition integer not null,
  due_ms bigint not null,
  payload text not null,
  constraint schedule_pkey PRIMARY KEY (schedule_id)
);

CREATE INDEX schedule_channel_idx ON public.schedule USING btree (schedule_channel(payload), schedule_id);

CREATE INDEX schedule_due_ms_idx ON public.schedule USING btree (partition, due_ms);

create table schema_migration (
  version integer not null,
  name text not null,
  applied_at timestamp with time zone not null default now(),
  constraint schema_migration_pkey PRIMARY KEY (version)
);

create table sequencer_lease (
  node_id text not null,
  expires_at timestamp with time zone not null,
  session text,
  constraint sequencer_lease_pkey PRIMARY KEY (node_id)
);

create table single_use_token (
  jti_digest text collate "C" not null,
  expires_at timestamp with time zone not null,
  used_by uuid,
  constraint single_use_token_pkey PRIMARY KEY (jti_digest)
);

CREATE INDEX single_use_token_expires_at_idx ON public.single_use_token USING btree (expires_at);

create table subscription_count (
  channel text collate "C" not null,
  gateway_id integer not null,
  partition integer not null,
  count integer not null,
  constraint subscription_count_pkey PRIMARY KEY (channel, gateway_id)
);

CREATE INDEX subscription_count_gateway_idx ON public.subscription_count USING btree (partition, gateway_id);

create table subscription_report (
  partition integer not null,
  gateway_id integer not null,
  run text collate "C" not null,
  number bigint not null,
  constraint subscription_report_pkey PRIMARY KEY (partition, gateway_id)
);

create table waiting_event (
  partition integer not null,
  number bigint not null,
  event text not null,
  constraint waiting_event_pkey PRIMARY KEY (partition, number)
);

create table webhook_dead_letter (
  id text collate "C" not null,
  target text collate "C" not null,
  ordering_key text collate "C" not null,
  stream_epoch bigint not null,
  seq bigint not null,
  event_id text not null,
  type text not null,
  channel text,
  payload bytea not null,
  attempts integer not null,
  last_error text,
  waiting_since timestamp with time zone not null,
  given_up_at timestamp with time zone not null default now(),
  retry_requested_at timestamp with time zone,
  constraint webhook_dead_letter_pkey PRIMARY KEY (id),
  constraint webhook_dead_letter_target_event_id_key UNIQUE (target, event_id)
);

CREATE INDEX webhook_dead_letter_retry_idx ON public.webhook_dead_letter USING btree (target, id) WHERE (retry_requested_at IS NOT NULL);

create table webhook_target (
  target text collate "C" not null,
  owner text,
  lease_until timestamp with time zone not null default now(),
  epoch bigint not null default 0,
  stream_epoch bigint not null default 0,
  seq bigint not null default 0,
  stream_time text not null default ''::text,
  stream_created text not null default ''::text,
  updated_at timestamp with time zone not null default now(),
  constraint webhook_target_pkey PRIMARY KEY (target)
) with (
  fillfactor=20,
  autovacuum_vacuum_scale_factor=0,
  autovacuum_vacuum_threshold=500
);

create table webhook_waiting (
  target text collate "C" not null,
  ordering_key text collate "C" not null,
  stream_epoch bigint not null,
  seq bigint not null,
  event_id text not null,
  type text not null,
  channel text,
  payload bytea not null,
  attempts integer not null,
  last_error text,
  waiting_since timestamp with time zone not null default now(),
  constraint webhook_waiting_pkey PRIMARY KEY (target, ordering_key, stream_epoch, seq),
  constraint webhook_waiting_target_fkey FOREIGN KEY (target) REFERENCES webhook_target(target) ON DELETE CASCADE
) with (
  autovacuum_vacuum_scale_factor=0.02,
  autovacuum_vacuum_insert_scale_factor=0.05,
  autovacuum_analyze_scale_factor=0.02
);

CREATE OR REPLACE FUNCTION public.expire_rows(batch integer DEFAULT 1000, max_batches integer DEFAULT 100)
 RETURNS bigint
 LANGUAGE plpgsql
AS $function$
declare
  total bigint := 0;
  total_before bigint;
  now_ms constant bigint := extract(epoch from now()) * 1000;
  -- A dedup row is still needed while a message from before its end may be waiting in the stream, however late it is
  -- by the clock. A day is longer than any backlog that is still worth exactness; then rows go regardless, so that a
  -- partition nobody owns cannot keep them for ever.
  dedup_due_ms constant bigint := greatest(
    least((select min(coalesce(caught_up_ms, 0)) from partition_state), now_ms),
    now_ms - 86400000
  );
  -- Where the last batch ended. Without it each batch would step over the entries of all the batches before.
  log_from timestamptz := '-infinity';
  dedup_from bigint := 0;
  token_from timestamptz := '-infinity';
  reaction_from bigint := 0;
begin
  for round in 1..max_batches loop
    total_before := total;

    with due as (
      select ctid from message_log
      where expires_at >= log_from and expires_at <= now()
      order by expires_at limit batch for update skip locked
    ), gone as (
      delete from message_log where ctid = any (array(select ctid from due)) returning expires_at
    )
    select total + count(*), coalesce(max(expires_at), log_from) into total, log_from from gone;

    with due as (
      select ctid from dedup
      where expires_ms >= dedup_from and expires_ms <= dedup_due_ms
      order by expires_ms limit batch for update skip locked
    ), gone as (
      delete from dedup where ctid = any (array(select ctid from due)) returning expires_ms
    )
    select total + count(*), coalesce(max(expires_ms), dedup_from) into total, dedup_from from gone;

    with due as (
      select ctid from single_use_token
      where expires_at >= token_from and expires_at <= now()
      order by expires_at limit batch for update skip locked
    ), gone as (
      delete from single_use_token where ctid = any (array(select ctid from due)) returning expires_at
    )
    select total + count(*), coalesce(max(expires_at), token_from) into total, token_from from gone;

    with due as (
      select ctid from message_reaction
      where expires_ms >= reaction_from and expires_ms <= now_ms
      order by expires_ms limit batch for update skip locked
    ), gone as (
      delete from message_reaction where ctid = any (array(select ctid from due)) returning expires_ms
    )
    select total + count(*), coalesce(max(expires_ms), reaction_from) into total, reaction_from from gone;

    exit when total = total_before;
  end loop;
  return total;
end
$function$;

CREATE OR REPLACE FUNCTION public.schedule_channel(payload text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE STRICT
AS $function$
  select ('"' || coalesce(
    -- A message; then an operation. A quote inside a JSON string is escaped, so neither is found in a value.
    substring(split_part(payload, e'\n', 1) from '^\{"r":"[^"]*","c":"((?:[^"\\]|\\.)*)"'),
    substring(split_part(payload, e'\n', 1) from '"channel":"((?:[^"\\]|\\.)*)"')
  ) || '"')::json #>> '{}'
$function$;
