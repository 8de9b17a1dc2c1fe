-- Connections whose `connected` backend event is told and whose `disconnected` is not. Written like the rest of what is known
-- about channels (0006), by the owner of the home partition of their gateway; whoever buries a gateway finds here what is
-- still to be told of its connections. The key finds the rows of a partition, when it gets a new owner, and of a gateway.
create table open_connection (
  partition integer not null,
  gateway_id integer not null,
  connection_id text collate "C" not null,
  -- JSON text: what events tell of it.
  data text not null,
  primary key (partition, gateway_id, connection_id)
);
