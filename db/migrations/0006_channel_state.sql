-- What a channel is besides its messages. The sequencer that owns the channel's partition writes it: always as of the
-- partition's position and in the transaction that moves it, so a take-over continues from exactly this state. `partition`
-- is in every table because its owner looks for what is due, or left behind, in its own partition only.

-- Connections in presence channels (channels-presence-storage §3). A member is a uid; several connections may share one.
create table presence_connection (
  channel text collate "C" not null,
  connection_id text collate "C" not null,
  partition integer not null,
  gateway_id integer not null,
  -- JSON text: a uid may hold characters that text refuses.
  uid text collate "C" not null,
  -- JSON text, the member's: the same in all rows of one uid.
  umd text not null,
  -- When the uid first joined, as a rising number: the order of the list. The same in all rows of one uid.
  member_order bigint not null,
  -- Counts in subscriptionsCount.
  counted boolean not null,
  primary key (channel, connection_id)
);

-- Connections that a gateway left behind.
create index presence_connection_gateway_idx on presence_connection (partition, gateway_id);

-- Counted subscriptions of standard channels, by gateway (§4).
create table subscription_count (
  channel text collate "C" not null,
  gateway_id integer not null,
  partition integer not null,
  count integer not null,
  primary key (channel, gateway_id)
);

create index subscription_count_gateway_idx on subscription_count (partition, gateway_id);

-- Entries of channel storage (§5).
create table channel_storage (
  channel text collate "C" not null,
  key text collate "C" not null,
  partition integer not null,
  -- JSON text as written.
  data text not null,
  -- JSON text {"uid","umd"} of the last writer.
  meta text not null,
  -- Unix ms; null = never. Invisible from then on, removed a little later.
  expires_ms bigint,
  -- Whether the last writer wanted events, and what they say about it: JSON text of the request's origin.
  emit_event boolean not null,
  origin text not null,
  primary key (channel, key)
);

create index channel_storage_expires_ms_idx on channel_storage (partition, expires_ms) where expires_ms is not null;

-- Reactions to stored messages (§6.2): one row for each message, value and user.
create table message_reaction (
  channel text collate "C" not null,
  message_id text collate "C" not null,
  reaction text collate "C" not null,
  -- JSON text; 'null' is the one anonymous user of servers.
  uid text collate "C" not null,
  partition integer not null,
  -- ULID of the reaction; its order is the order of adding.
  id text collate "C" not null,
  -- JSON text as of adding.
  umd text not null,
  -- End of the message, Unix ms; null = never.
  expires_ms bigint,
  -- JSON text of the origin of the request that added it, for the event of its removal.
  origin text not null,
  primary key (channel, message_id, reaction, uid)
);

-- expire_rows() takes the due rows from its lower end.
create index message_reaction_expires_ms_idx on message_reaction (expires_ms) where expires_ms is not null;

-- Messages and storage writes that wait for their time (publish-api §7). A row goes when it fires or is cancelled.
create table schedule (
  schedule_id text collate "C" primary key,
  partition integer not null,
  due_ms bigint not null,
  -- What is to be processed then, as it would stand in the ingest stream.
  payload text not null
);

create index schedule_due_ms_idx on schedule (partition, due_ms);

-- As before (0005), and reactions of messages that are gone. Storage entries are not among these: the sequencer removes
-- them, because somebody may want to hear of it.
create or replace function expire_rows(batch integer default 1000, max_batches integer default 100) returns bigint
language plpgsql as $$
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

  -- Dead leases mean nothing already; the hour leaves a trace of who died to whoever looks after an incident.
  with gone as (
    delete from sequencer_lease where expires_at < now() - interval '1 hour' returning 1
  )
  select total + count(*) into total from gone;
  with gone as (
    delete from gateway_lease where expires_at < now() - interval '1 hour' returning 1
  )
  select total + count(*) into total from gone;
  return total;
end
$$;
