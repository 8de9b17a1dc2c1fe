-- The session in which the sequencer holds an advisory lock of that name (sequencer-lease.ts): with the process goes the lock,
-- and so the lease need not be waited for. null = no such lock, as behind a pooler.
alter table sequencer_lease add column session text;
