-- The last place of the deliver stream that is known to hold a record of the partition, as of the saved position, and when that
-- stream was created. Whoever opens the partition sees by it that the stream has lost its tail (deliver-life.ts). null = unknown.
alter table partition_state add column deliver_created text;
alter table partition_state add column deliver_seq bigint;
