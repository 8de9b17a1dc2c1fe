-- How far each publisher has come in the partition at seq: `name:number` of its lane, separated by spaces. What a stream holds
-- behind a later message of its publisher, or twice, is left out, by the next owner too.
alter table partition_state add column lanes text not null default '';
