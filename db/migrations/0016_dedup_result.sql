-- What the first message with the id became, for whoever repeats a client's `ref`: its id, or that of its schedule; null for
-- a deduplicationId, whose repeats are told nothing.
alter table dedup add column result text;
