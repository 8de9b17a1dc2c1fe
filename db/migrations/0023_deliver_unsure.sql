-- The life of the deliver stream that a partition's owner found begun, ms since 1970: what was lost before it, nobody knows, and
-- gateways that have not heard that yet must hear it from the next owner too (deliver-loss.ts). null = nothing.
alter table partition_state add column deliver_unsure_ms bigint;
