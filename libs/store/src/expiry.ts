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

/** For how long the oldest of the expired rows has been expired, ms; 0 when there is none. */
export async function expiredForMs(db: Db): Promise<number> {
  const { rows } = await sql<{ ms: number | null }>`
    select (extract(epoch from now() - least(
             (select min(expires_at) from message_log),
             (select min(expires_at) from single_use_token),
             (select to_timestamp(min(expires_ms) / 1000.0) from message_reaction))) * 1000)::int8 as ms`.execute(db);
  return Math.max(rows[0]?.ms ?? 0, 0);
}

// pg_cron's own sessions do not know which schema ours has by its URL, nor that there is another installation in another.
const IS_PUBLIC = sql`current_schema() = 'public'`;
const JOB_NAME = sql`'hearth expire_rows' || case when ${IS_PUBLIC} then '' else ' in ' || current_schema() end`;
const JOB_COMMAND = sql`
  case when ${IS_PUBLIC} then '' else format('set search_path to %I; ', current_schema()) end || 'select expire_rows()'`;

/** What pg_cron says about the job that `scheduleExpiryWithPgCron` gave it, for a log. */
export async function describePgCronJob(db: Db): Promise<string> {
  try {
    const { rows } = await sql<{ active: boolean; outcome: string | null }>`
      select active, (select concat_ws(': ', status, return_message) from cron.job_run_details run
                       where run.jobid = job.jobid order by run.runid desc limit 1) as outcome
        from cron.job where jobname = ${JOB_NAME} and username = current_user`.execute(db);
    const [job] = rows;
    if (job === undefined) return 'the job is gone';
    if (!job.active) return 'the job is not active';
    return `its last run: ${job.outcome ?? 'none is recorded'}`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
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
      await sql`select cron.schedule(${JOB_NAME}, '* * * * *', ${JOB_COMMAND})`.execute(tx);
    });
    return true;
  } catch (error) {
    // A refusal of the server is an answer; a lost connection is not.
    if (error instanceof DatabaseError) return false;
    throw error;
  }
}
