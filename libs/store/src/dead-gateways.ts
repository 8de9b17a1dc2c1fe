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

/** Whether a gateway is still in presence channels of any partition. */
export async function isInPresenceChannels(db: Db, gatewayId: number, partitions: number): Promise<boolean> {
  const all = Array.from({ length: partitions }, (_, partition) => partition);
  const row = await db
    .selectFrom('presence_connection')
    .select('gateway_id')
    .where('partition', 'in', all)
    .where('gateway_id', '=', gatewayId)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
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
