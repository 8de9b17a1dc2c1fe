-- Made here because only a superuser can. The sequencer schedules expire_rows() with it, which then runs as hearth_service.
create extension pg_cron;
grant usage on schema cron to hearth_service;
