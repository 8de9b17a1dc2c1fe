-- A sequencer that is alive. Expiry is judged by the database's clock alone.
create table sequencer_lease (
  node_id text primary key,
  expires_at timestamptz not null
);

-- One row per partition of the channels, the unit of order and of ownership. Made once with the installation: their
-- number decides which partition a channel is in, so it can never change.
create table partition_state (
  partition integer primary key,
  -- Fencing: raised at every claim. A worker that was thought dead and wakes up writes with an old epoch, that is, not.
  epoch bigint not null default 0,
  -- node_id of the owner; null = free. An owner without a live lease is as good as none.
  owner text,
  -- The position, written in the transaction of the effects it stands for. stream_epoch counts the lives of the stream:
  -- raised when it was wiped, re-created or lost its tail, because sequence numbers start over then.
  stream_epoch bigint not null default 0,
  seq bigint not null default 0,
  -- Highest time part of any id given or seen (Unix ms), so that ids rise although clocks and streams start over.
  time_ms bigint not null default 0,
  -- What the stream said about the message at seq and about itself: another answer later means another epoch.
  stream_time text,
  stream_created text,
  -- Everything older than this (stream's clock, Unix ms) has been processed. expire_rows() keeps the dedup rows that a
  -- message still waiting in the stream may have to be compared with. null = unknown.
  caught_up_ms bigint,
  updated_at timestamptz not null default now()
) with (
  -- A few rows, updated with every batch: room in the page lets each update stay in it (no index work, no growth).
  fillfactor = 20,
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 500
);
