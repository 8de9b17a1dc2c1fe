-- Two roles, so that a service can read and write rows and nothing else: hearth_owner makes the schema (the one-shot
-- "migrate"), hearth_service is what the services are. Neither is a superuser.
\getenv owner_password DATABASE_OWNER_PASSWORD
\getenv service_password DATABASE_SERVICE_PASSWORD

create role hearth_owner login password :'owner_password';
create role hearth_service login password :'service_password';

alter database hearth owner to hearth_owner;
revoke all on database hearth from public;
grant connect on database hearth to hearth_service;

-- For everything migrations will ever make.
alter default privileges for role hearth_owner grant usage on schemas to hearth_service;
alter default privileges for role hearth_owner grant select, insert, update, delete on tables to hearth_service;
alter default privileges for role hearth_owner grant usage, select on sequences to hearth_service;
