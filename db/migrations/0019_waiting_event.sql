-- Backend events that the events stream did not take while their partition went on (event-publisher.ts): written with the
-- position that lies behind them, and dropped once the stream has them. Whoever owns the partition next tells of them before
-- anything later. The key gives those of a partition in their order.
create table waiting_event (
  partition integer not null,
  number bigint not null,
  -- JSON text: the event, before it is written as the stream has it.
  event text not null,
  primary key (partition, number)
);
