-- The last report of subscriptions (channels-presence-storage §4) that was applied, by gateway: one that a stream has
-- stored twice is not applied again. Written like the rest of what is known about channels (0006), forgotten with the
-- gateway. The key finds the rows of a partition, when it gets a new owner, and gateways that left some behind.
create table subscription_report (
  partition integer not null,
  gateway_id integer not null,
  -- Names the life of the gateway's process: reports are numbered anew in each.
  run text collate "C" not null,
  number bigint not null,
  primary key (partition, gateway_id)
);
