import { sql } from 'kysely';
import type { Db } from './db';

/** Leases and what ends by itself go by the database's clock, which all nodes share. */

/** This instant: the same in all of a transaction. */
export const now = sql<Date>`now()`;

/** `ms` from now. */
export const fromNow = (ms: number) => sql<Date>`now() + ${ms}::float8 * interval '1 millisecond'`;

/** This instant in Unix ms, rounded down. */
export const nowMs = sql<number>`floor(extract(epoch from now()) * 1000)::int8`;

/** What the database's clock shows, Unix ms. */
export async function readClock(db: Db): Promise<number> {
  return (await db.selectNoFrom(nowMs.as('nowMs')).executeTakeFirstOrThrow()).nowMs;
}
