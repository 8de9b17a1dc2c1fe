-- As before (0006), without leases: a clock that is set ahead must not end those of the living. Whoever sees that one is not renewed
-- ends it (gateway-reaper.ts, membership.ts).
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
  return total;
end
$$;
