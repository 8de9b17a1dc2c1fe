import { sql } from 'kysely';
import { DatabaseError } from 'pg';
import type { Db } from './db';

/**
 * Deletes due rows of all tables in bounded batches and returns how many went. Safe at any time and on any number of
 * nodes at once; a number of `batch * maxBatches` or more says that there may be more to do.
 */
export async function expireRows(db: Db, batch = 1_000, maxBatches = 100): Promise<number> {
  const { rows } = await sql<{ deleted: number }>`
    select expire_rows(${batch}::int, ${maxBatches}::int) as deleted`.execute(db);
  return rows[0]?.deleted ?? 0;
}

/**
 * Has pg_cron call `expire_rows` each minute (its version in Debian knows nothing shorter). Repeating it changes nothing.
 *
 * @returns false where pg_cron is not installed, not preloaded, at home in another database (`cron.database_name`), or
 *   not allowed to us: the caller then runs `expireRows` on a timer
 */
export async function scheduleExpiryWithPgCron(db: Db): Promise<boolean> {
  const { rows } = await sql`select from pg_available_extensions where name = 'pg_cron'`.execute(db);
  if (rows.length === 0) return false;
  try {
    await db.transaction().execute(async (tx) => {
      // "if not exists" does not help two nodes that start at once.
      await sql`select pg_advisory_xact_lock(hashtext('hearth pg_cron'))`.execute(tx);
      await sql`create extension if not exists pg_cron`.execute(tx);
      await sql`select cron.schedule('hearth expire_rows', '* * * * *', 'select expire_rows()')`.execute(tx);
    });
    return true;
  } catch (error) {
    // A refusal of the server is an answer; a lost connection is not.
    if (error instanceof DatabaseError) return false;
    throw error;
  }
}
