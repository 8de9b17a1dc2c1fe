-- Other messages that were accepted with the id, in windows before: JSON text, an array of {partition, streamEpoch, seq,
-- firstMs, expiresMs}; null without any. After a crash, or in a partition that is behind, they are judged again, long
-- after the id was given to another message.
alter table dedup add column earlier text;
