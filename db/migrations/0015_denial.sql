-- What is denied, and to whom (management-api §3, §4): revocations of tokens, and refusals for a while. Every gateway has
-- all of it in memory and asks each second for what is new.
create table denial (
  -- ULID.
  id text collate "C" primary key,
  kind text not null,
  -- JSON array of texts: whom or what it is about.
  names text not null,
  -- SHA-256 of kind and names, which may be long. What is denied again is still one row.
  target_digest bytea not null unique,
  -- Given by denial_version. Several rows of one statement share one.
  version bigint not null,
  -- null = until it is taken back. One that has ended stays for an hour, so that gateways hear of it.
  ends_at timestamptz,
  created_at timestamptz not null default now(),
  -- When it was made or repeated.
  since timestamptz not null default now(),
  -- Unix ms, of a user's tokens.
  issued_before_ms bigint,
  -- The end is that of the token, which has been seen.
  ends_with_token boolean not null default false,
  -- For people.
  reason text,
  -- JSON text: how open connections are sent away; null for revocations, which all say the same.
  farewell text
);

-- What is new to a gateway.
create index denial_version_idx on denial (version);
-- Rows that have ended are deleted in the order of their ends.
create index denial_ends_at_idx on denial (ends_at);
-- Lists of revocations.
create index denial_revocation_idx on denial (id) where kind like 'revoked%';

-- One row. Whoever writes a denial raises the number first and holds it until its commit, so numbers become visible in
-- their order and nobody who asks for greater ones misses any.
create table denial_version (
  only_row boolean primary key default true check (only_row),
  version bigint not null
);
insert into denial_version (version) values (0);
