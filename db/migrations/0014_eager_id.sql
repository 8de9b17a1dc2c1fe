-- The order of a channel is the order of delivery, and `id` is its key. A message that was given its id when it was
-- accepted has it here; its `id` is then the one that it would have got in its place. null = `id` is the message's id.
alter table message_log add column eager_id text collate "C";

-- A message by its id: where a page begins, and for reactions. Also: one message has one row. Partial: others cost nothing.
create unique index message_log_eager_id_idx on message_log (channel, eager_id) where eager_id is not null;
