-- The channel of what a schedule parked, from the line that begins its payload (libs/wire: ingest-event.ts,
-- ingest-operation.ts). Of what was accepted before, too, and of what a sequencer of the version before parks.
create function schedule_channel(payload text) returns text
language sql immutable strict parallel safe as $$
  select ('"' || coalesce(
    -- A message; then an operation. A quote inside a JSON string is escaped, so neither is found in a value.
    substring(split_part(payload, e'\n', 1) from '^\{"r":"[^"]*","c":"((?:[^"\\]|\\.)*)"'),
    substring(split_part(payload, e'\n', 1) from '"channel":"((?:[^"\\]|\\.)*)"')
  ) || '"')::json #>> '{}'
$$;

-- Schedules of one channel, in the order of their names (management-api §2).
create index schedule_channel_idx on schedule (schedule_channel(payload), schedule_id);
