-- Keys that the installation makes for itself, once, for all of its processes: nothing outside has to know them.
create table installation_key (
  name text collate "C" primary key,
  key bytea not null
);

-- The last message or record of each channel (resume §3): what proves to a client that comes back that it has missed
-- nothing, also when the deliver stream has nothing of the channel any more. Written by the partition's owner for all
-- channels that have changed, every few minutes.
create table channel_end (
  channel text collate "C" primary key,
  partition integer not null,
  -- As in partition_state: what was noted in an earlier series proves nothing.
  series bigint not null,
  stream_epoch bigint not null,
  seq bigint not null,
  id text collate "C" not null,
  noted_at timestamptz not null default now()
);
-- Rows that no token needs any more are deleted in the order of their age.
create index channel_end_noted_at_idx on channel_end (noted_at);

-- How far the ends of a partition's channels have been noted: of every message that the deliver stream held up to
-- deliver_seq, channel_end knows, or of a later one of its channel.
create table channel_end_note (
  partition integer primary key,
  -- Raised when messages may have been forgotten that nobody noted: the stream was wiped or purged meanwhile.
  series bigint not null,
  -- Creation time of the deliver stream, as the server tells it, and its place.
  deliver_created text not null,
  deliver_seq bigint not null
);
