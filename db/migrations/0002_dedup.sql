-- The first message with a deduplicationId, for as long as later ones with the same id are dropped (publish-api §5.1).
-- All times are the stream's, in Unix ms: two sequencers with different clocks judge alike, and a message that waited in
-- the stream through an outage is judged by when it was accepted.
create table dedup (
  -- The primary key is what makes the first win, also when both arrive at the same instant on two sequencers.
  deduplication_id text collate "C" primary key,
  first_seen_ms bigint not null,
  -- From this instant on, the id is accepted again.
  expires_ms bigint not null,
  -- The place in the stream of the message that won. The same place again is a repeat of the first, not a duplicate.
  partition integer not null,
  stream_epoch bigint not null,
  seq bigint not null
) with (
  autovacuum_vacuum_scale_factor = 0.05,
  autovacuum_vacuum_insert_scale_factor = 0.1,
  autovacuum_analyze_scale_factor = 0.05
);

-- expire_rows() takes the due rows from its lower end.
create index dedup_expires_ms_idx on dedup (expires_ms);
