import { sql } from 'kysely';
import { fromNow, now } from './database-clock';
import type { Db } from './db';
import { prepared } from './prepared';
import { sessionLockKey } from './session-lock';

/**
 * Makes or renews the lease of a sequencer for `ttlMs` from now, by the database's clock.
 *
 * @param session that holds a `SessionLock`: with it ends the lease; without one it ends by time alone
 */
export async function renewSequencerLease(db: Db, processId: string, ttlMs: number, session?: string): Promise<void> {
  const lease = { node_id: processId, expires_at: fromNow(ttlMs), session: session ?? null };
  await db
    .insertInto('sequencer_lease')
    .values(lease)
    .onConflict((conflict) => conflict.column('node_id').doUpdateSet(lease))
    .execute();
}

/** The lease of a sequencer that nobody has ended. */
export interface SequencerLease {
  readonly processId: string;
  /** Its end by the database's clock; another one after each renewal. */
  readonly until: string;
  /** By the database's clock, which may be set. */
  readonly runs: boolean;
  /** That holds its lock, as it said when it renewed its lease. */
  readonly session: string | null;
  /** No session holds that lock. */
  readonly isLockFree: boolean;
}

/**
 * SQL: whether no session holds the lock that is named in the row; shared, so that those who look do not meet. A server that
 * has just started has ended all sessions, and nothing follows from that before everybody had time for another.
 */
const IS_LOCK_FREE = `case when session is null or pg_postmaster_start_time() > now() - interval '2 s' then false
   else pg_try_advisory_xact_lock_shared(${sessionLockKey('session')}) end`;

const look = prepared<SequencerLease>(
  'sequencer_leases',
  `select node_id as "processId", expires_at::text as until, expires_at > now() as runs, session,
          ${IS_LOCK_FREE} as "isLockFree"
     from sequencer_lease order by node_id`,
);

/** All leases of sequencers, by id. */
export function sequencerLeases(db: Db): Promise<SequencerLease[]> {
  return look(db, []);
}

const end = prepared<{ processId: string }>(
  'end_sequencer_lease',
  `delete from sequencer_lease
    where node_id = $1 and case when session = $2 then ${IS_LOCK_FREE} else false end returning node_id as "processId"`,
);

/**
 * Ends the lease of a sequencer whose lock is free, before its time; not when it has told of another session meanwhile. What
 * it still writes is fenced when somebody has claimed its partitions.
 *
 * @returns whether it has none any more
 */
export async function endLeaseOfSession(db: Db, processId: string, session: string): Promise<boolean> {
  return (await end(db, [processId, session])).length > 0;
}

/** Ends the lease of a sequencer unless it was renewed since it was read, whatever the database's clock says of its end. */
export async function endStandingLease(db: Db, { processId, until }: SequencerLease): Promise<void> {
  await sql`delete from sequencer_lease where node_id = ${processId} and expires_at::text = ${until}`.execute(db);
}

/** Ends the lease of a sequencer that stops in good order, and frees the partitions it still has. */
export async function releaseSequencer(db: Db, processId: string): Promise<void> {
  await db.transaction().execute(async (tx) => {
    await tx
      .updateTable('partition_state')
      .set({ owner: null, updated_at: now })
      .where('owner', '=', processId)
      .execute();
    await tx.deleteFrom('sequencer_lease').where('node_id', '=', processId).execute();
  });
}
