import type { SubscriptionRow } from '@hearth/channels';
import { prepared } from './prepared';
import type { Tables } from './tables';
import type { Db } from './db';

/** Something that a gateway without a lease has left behind. */
export interface DeadGateway {
  readonly partition: number;
  readonly gatewayId: number;
}

/** What gateways leave rows in. */
const TABLES: readonly (keyof Tables)[] = [
  'presence_connection',
  'subscription_count',
  'subscription_report',
  'open_connection',
  'open_subscription',
];

/** The gateways in a table of some partitions, found by stepping from one to the next in the index. */
function gatewaysIn(table: string): string {
  return `
    (with recursive present as (
       (select partition, gateway_id from ${table} where partition = any ($1::int4[])
         order by partition, gateway_id limit 1)
       union all
       select next.* from present cross join lateral (
         select partition, gateway_id from ${table}
          where partition = any ($1::int4[]) and (partition, gateway_id) > (present.partition, present.gateway_id)
          order by partition, gateway_id limit 1) as next
     ) select * from present)`;
}

const dead = prepared<DeadGateway>(
  'dead_gateways',
  `select partition, gateway_id as "gatewayId"
     from (${TABLES.map(gatewaysIn).join(' union ')}) as present
    where not exists (select from gateway_lease l where l.gateway_id = present.gateway_id)`,
);
/** Gateways that are dead but not forgotten in these partitions. */
export function deadGateways(db: Db, partitions: readonly number[]): Promise<DeadGateway[]> {
  return dead(db, [partitions]);
}

/** Connections of a dead gateway in presence channels, at most `limit`. */
export function leftConnections(
  db: Db,
  { partition, gatewayId }: DeadGateway,
  limit: number,
): Promise<{ channel: string; connectionId: string }[]> {
  return db
    .selectFrom('presence_connection')
    .select(['channel', 'connection_id as connectionId'])
    .where((eb) => eb.and({ partition, gateway_id: gatewayId }))
    .limit(limit)
    .execute();
}

/** Standard channels in which a dead gateway still counts, at most `limit`. */
export async function leftCounts(db: Db, { partition, gatewayId }: DeadGateway, limit: number): Promise<string[]> {
  const rows = await db
    .selectFrom('subscription_count')
    .select('channel')
    .where((eb) => eb.and({ partition, gateway_id: gatewayId }))
    .limit(limit)
    .execute();
  return rows.map(({ channel }) => channel);
}

/** Subscriptions of a dead gateway to standard channels whose end has not been told, at most `limit`. */
export async function leftSubscriptions(
  db: Db,
  { partition, gatewayId }: DeadGateway,
  limit: number,
): Promise<Pick<SubscriptionRow, 'channel' | 'connectionId' | 'uid' | 'umdJson'>[]> {
  const rows = await db
    .selectFrom('open_subscription')
    .select(['channel', 'connection_id as connectionId', 'uid', 'umd as umdJson'])
    .where((eb) => eb.and({ partition, gateway_id: gatewayId }))
    .limit(limit)
    .execute();
  return rows.map(({ uid, ...row }) => ({ ...row, uid: JSON.parse(uid) as string | null }));
}

const subscribed = prepared<{ readonly is: boolean }>(
  'gateway_is_subscribed',
  `select ${['presence_connection', 'open_subscription']
    .map((table) => `exists (select from ${table} where partition = any ($1::int4[]) and gateway_id = $2)`)
    .join(' or ')} as is`,
);
/** Whether ends of a gateway's subscriptions are still to be told, in any partition. */
export async function hasSubscriptions(db: Db, gatewayId: number, partitions: number): Promise<boolean> {
  const all = Array.from({ length: partitions }, (_, partition) => partition);
  return (await subscribed(db, [all, gatewayId]))[0]?.is === true;
}

/** Connections of a dead gateway whose end has not been told, at most `limit`, and what events tell of them. */
export function leftOpenConnections(
  db: Db,
  { partition, gatewayId }: DeadGateway,
  limit: number,
): Promise<{ connectionId: string; dataJson: string }[]> {
  return db
    .selectFrom('open_connection')
    .select(['connection_id as connectionId', 'data as dataJson'])
    .where((eb) => eb.and({ partition, gateway_id: gatewayId }))
    .limit(limit)
    .execute();
}
