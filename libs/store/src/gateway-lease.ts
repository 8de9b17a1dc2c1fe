import { randomInt } from 'node:crypto';
import { sql } from 'kysely';
import type { Db } from './tables';

/** The part of a connection id that names its gateway. */
const GATEWAY_IDS = 2 ** 24;
/** Of 16 million ids a few thousand are taken: even two misses in a row mean that something else is wrong. */
const ATTEMPTS = 10;

/**
 * Takes a random 24-bit id that no gateway has, for `ttlMs` from now by the database's clock. Random, so that a
 * connection id from before a restart does not name the gateway that came after. The id of a dead gateway is free once
 * `endExpiredLeases` has ended its lease.
 */
export async function claimGatewayId(db: Db, nodeId: string, ttlMs: number): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const gatewayId = randomInt(GATEWAY_IDS);
    const { rows } = await sql`
      insert into gateway_lease (gateway_id, node_id, expires_at)
      values (${gatewayId}, ${nodeId}, now() + ${ttlMs}::float8 * interval '1 millisecond')
      on conflict do nothing
      returning gateway_id`.execute(db);
    if (rows.length > 0) return gatewayId;
  }
  throw new Error(`no free gateway id found in ${ATTEMPTS} attempts`);
}

/**
 * Renews the lease, also one that has expired, as long as nobody ended it. False when it is lost: the gateway counts as
 * dead, its subscriptions are being removed, and it must take another id and end the connections that carry the old.
 */
export async function renewGatewayLease(db: Db, gatewayId: number, nodeId: string, ttlMs: number): Promise<boolean> {
  const { rows } = await sql`
    update gateway_lease set expires_at = now() + ${ttlMs}::float8 * interval '1 millisecond'
    where gateway_id = ${gatewayId} and node_id = ${nodeId}
    returning gateway_id`.execute(db);
  return rows.length > 0;
}

/** Gives the id back; does nothing when another node has it by now. */
export async function releaseGatewayLease(db: Db, gatewayId: number, nodeId: string): Promise<void> {
  await db.deleteFrom('gateway_lease').where('gateway_id', '=', gatewayId).where('node_id', '=', nodeId).execute();
}

/** The database's clock, by which leases expire, Unix ms. */
export async function leaseClock(db: Db): Promise<number> {
  const { rows } = await sql<{ nowMs: number }>`
    select floor(extract(epoch from now()) * 1000)::int8 as "nowMs"`.execute(db);
  return rows[0]?.nowMs ?? 0;
}

/**
 * Ends the leases that expired before `beforeMs`: from this moment their gateways are dead, whatever they do.
 *
 * @param beforeMs by `leaseClock`, read before and not by this statement: a server that was paused when it was sent may
 *   run it later, and would take the time of its pause for theirs
 * @returns the ids of the dead
 */
export async function endExpiredLeases(db: Db, beforeMs: number): Promise<number[]> {
  const { rows } = await sql<{ gatewayId: number }>`
    delete from gateway_lease where expires_at < to_timestamp(${beforeMs}::float8 / 1000)
    returning gateway_id as "gatewayId"`.execute(db);
  return rows.map(({ gatewayId }) => gatewayId);
}
