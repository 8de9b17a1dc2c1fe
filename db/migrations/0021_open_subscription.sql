-- Subscriptions to standard channels whose `subscribed` backend event is told and whose `unsubscribed` is not. Written like the
-- rest of what is known about channels (0006), by the owner of the channel's partition, and only where backend events are on;
-- whoever buries a gateway finds here what is still to be told. The key finds one of them, and those of a gateway.
create table open_subscription (
  partition integer not null,
  gateway_id integer not null,
  channel text collate "C" not null,
  connection_id text collate "C" not null,
  -- JSON text: a uid may hold characters that text refuses.
  uid text not null,
  -- JSON text, as it was told.
  umd text not null,
  primary key (partition, gateway_id, channel, connection_id)
);
