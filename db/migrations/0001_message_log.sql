-- Every message with `store` <> 0, one row each (channels-presence-storage §6.1). Written by the sequencer only, read by
-- history, never updated.
create table message_log (
  -- "C": names are compared byte by byte, faster than by a language's rules and the same on every machine.
  channel text collate "C" not null,
  -- ULID, 26 upper-case characters; "C" makes string order the order of the channel.
  id text collate "C" not null,
  event text not null,
  -- The JSON text exactly as published. Not json or jsonb: jsonb refuses \u0000 and lone surrogates and rewrites long
  -- integers, and nothing in the database looks inside.
  data text not null,
  -- JSON text {"uid","umd"} of the publisher; null = published by a server.
  meta text,
  connection_id text,
  source_ip text,
  user_agent text,
  trigger text not null,
  request_id uuid not null,
  -- null = kept for ever.
  expires_at timestamptz,
  -- History reads one channel by id, forwards and backwards; a repeated append of the same message finds itself.
  primary key (channel, id)
) with (
  -- Rows die in the order they expire, a steady share of the table each minute. The default (20 % dead) would let a
  -- table of 100 million messages collect 20 million dead ones first.
  autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_insert_scale_factor = 0.05,
  autovacuum_analyze_scale_factor = 0.02,
  toast.autovacuum_vacuum_scale_factor = 0.02
);

-- expire_rows() takes the due rows from its lower end. Partial: what is kept for ever costs nothing here.
create index message_log_expires_at_idx on message_log (expires_at) where expires_at is not null;
