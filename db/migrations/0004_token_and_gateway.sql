-- Used single-use tokens (tokens-and-claims §2.1). The primary key lets exactly one of many simultaneous uses succeed.
create table single_use_token (
  -- SHA-256 of the jti, base64url: a jti may be of any length and hold characters a text column refuses.
  jti_digest text collate "C" primary key,
  expires_at timestamptz not null
);

-- expire_rows() takes the due rows from its lower end.
create index single_use_token_expires_at_idx on single_use_token (expires_at);

-- A gateway that is alive, by the 24-bit number its connection ids carry. Few rows: no index but the key.
create table gateway_lease (
  gateway_id integer primary key check (gateway_id between 0 and 16777215),
  node_id text not null,
  expires_at timestamptz not null
);
