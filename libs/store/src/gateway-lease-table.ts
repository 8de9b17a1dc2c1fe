import { randomInt } from 'node:crypto';
import { fromNow } from './database-clock';
import type { Db } from './db';
import { prepared } from './prepared';

/** How long a gateway's lease lasts from each renewal, ms. */
export const GATEWAY_LEASE_MS = 15_000;

/** The part of a connection id that names its gateway. */
const GATEWAY_IDS = 2 ** 24;
/** Of 16 million ids a few thousand are taken: even two misses in a row mean that something else is wrong. */
const ATTEMPTS = 10;

/**
 * Takes a random 24-bit id that no gateway has, for `ttlMs` from now by the database's clock. Random, so that a
 * connection id from before a restart does not name the gateway that came after. The id of a dead gateway is free once
 * `endLeases` has ended its lease.
 */
export async function claimGatewayId(db: Db, processId: string, ttlMs: number): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const claimed = await db
      .insertInto('gateway_lease')
      .values({ gateway_id: randomInt(GATEWAY_IDS), node_id: processId, expires_at: fromNow(ttlMs) })
      .onConflict((conflict) => conflict.doNothing())
      .returning('gateway_id')
      .executeTakeFirst();
    if (claimed !== undefined) return claimed.gateway_id;
  }
  throw new Error(`no free gateway id found in ${ATTEMPTS} attempts`);
}

/**
 * Renews the lease, also one that has expired, as long as nobody ended it. False when it is lost: the gateway counts as
 * dead, its subscriptions are being removed, and it must take another id and end the connections that carry the old.
 */
export async function renewGatewayLease(db: Db, gatewayId: number, processId: string, ttlMs: number): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('gateway_lease')
    .set('expires_at', fromNow(ttlMs))
    .where('gateway_id', '=', gatewayId)
    .where('node_id', '=', processId)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** Gives the id back; does nothing when another node has it by now. */
export async function releaseGatewayLease(db: Db, gatewayId: number, processId: string): Promise<void> {
  await db.deleteFrom('gateway_lease').where('gateway_id', '=', gatewayId).where('node_id', '=', processId).execute();
}

/** A lease as it stands. */
export interface StandingLease {
  readonly gatewayId: number;
  /** Its end by the database's clock; another one after each renewal. */
  readonly until: string;
  readonly untilMs: number;
}

const standing = prepared<StandingLease>(
  'standing_leases',
  `select gateway_id as "gatewayId", expires_at::text as until, extract(epoch from expires_at)::float8 * 1000 as "untilMs"
     from gateway_lease`,
);

/** All leases that nobody has ended. */
export function standingLeases(db: Db): Promise<StandingLease[]> {
  return standing(db, []);
}

/**
 * The ids of the gateways that nobody has ended. One whose lease has expired may live: it renews it as soon as it can, and was
 * perhaps only kept from Postgres, or stopped for a moment.
 */
export async function liveGateways(db: Db): Promise<number[]> {
  return (await standingLeases(db)).map(({ gatewayId }) => gatewayId);
}

const end = prepared<{ gatewayId: number }>(
  'end_leases',
  `delete from gateway_lease as l using unnest($1::int4[], $2::text[]) as dead (gateway_id, until)
    where l.gateway_id = dead.gateway_id and l.expires_at = dead.until::timestamptz
   returning l.gateway_id as "gatewayId"`,
);

/**
 * Ends leases unless they were renewed since they were read: from this moment their gateways are dead, whatever they do.
 *
 * @returns the ids of the dead
 */
export async function endLeases(
  db: Db,
  leases: readonly Pick<StandingLease, 'gatewayId' | 'until'>[],
): Promise<number[]> {
  if (leases.length === 0) return [];
  const ended = await end(db, [leases.map(({ gatewayId }) => gatewayId), leases.map(({ until }) => until)]);
  return ended.map(({ gatewayId }) => gatewayId);
}
