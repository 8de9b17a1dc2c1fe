-- webhook_waiting is the inbox of a target: every event is written down before it is sent, in the statement that moves
-- the target's position, and deleted once it was delivered. What has to be delivered in order has one ordering key: the
-- subject token of the event's channel, the id of its connection, or a digest of a long one.
alter table webhook_waiting rename column lane to ordering_key;
alter table webhook_dead_letter rename column lane to ordering_key;
