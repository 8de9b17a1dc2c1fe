-- A URL that gets the backend events as webhooks, by its name (host and digest: the URL itself may be a secret). One
-- process at a time sends to it.
create table webhook_target (
  target text collate "C" primary key,
  -- node_id of the process that sends; null = none. Past lease_until, by the database's clock, it counts as gone.
  owner text,
  lease_until timestamptz not null default now(),
  -- Fencing: raised at every claim. A process that was thought dead and wakes up writes with an old epoch, that is, not.
  epoch bigint not null default 0,
  -- Everything in the events stream up to here was delivered, or is in one of the two tables below. stream_epoch counts
  -- the lives of the stream: sequences start over when it is made anew or loses its tail.
  stream_epoch bigint not null default 0,
  seq bigint not null default 0,
  -- What the stream said about the event at seq and about itself: another answer later means another epoch.
  stream_time text not null default '',
  stream_created text not null default '',
  -- When a process last had it; one that nobody has had for long was taken out of the configuration.
  updated_at timestamptz not null default now()
) with (
  -- A few rows, updated each second: room in the page lets each update stay in it.
  fillfactor = 20,
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 500
);

-- Events that wait: the first one of a lane has failed, the others must not overtake it. Empty while all goes well.
create table webhook_waiting (
  target text collate "C" not null references webhook_target on delete cascade,
  -- What is delivered in order: a channel, or a connection. The channel's subject token, or a digest of a long one.
  lane text collate "C" not null,
  stream_epoch bigint not null,
  seq bigint not null,
  event_id text not null,
  type text not null,
  channel text,
  payload bytea not null,
  attempts integer not null,
  last_error text,
  waiting_since timestamptz not null default now(),
  -- The first event of a lane is found by it.
  primary key (target, lane, stream_epoch, seq)
) with (
  -- Grows and empties quickly.
  autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_insert_scale_factor = 0.05,
  autovacuum_analyze_scale_factor = 0.02
);

-- Events that were given up. They stay for an operator to look at and to send again, for thirty days.
create table webhook_dead_letter (
  -- A ULID made when the event was given up: pages and expiry go by it.
  id text collate "C" primary key,
  target text collate "C" not null,
  lane text collate "C" not null,
  stream_epoch bigint not null,
  seq bigint not null,
  event_id text not null,
  type text not null,
  channel text,
  payload bytea not null,
  attempts integer not null,
  last_error text,
  waiting_since timestamptz not null,
  given_up_at timestamptz not null default now(),
  -- Set by an operator; the process that sends to the target takes it from here.
  retry_requested_at timestamptz,
  -- A process that died at the wrong moment has its successor give up the same event again.
  unique (target, event_id)
);

-- What an operator wants sent again, looked for each second.
create index webhook_dead_letter_retry_idx on webhook_dead_letter (target, id) where retry_requested_at is not null;
