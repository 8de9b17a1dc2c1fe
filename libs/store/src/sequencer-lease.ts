import { fromNow, now } from './database-clock';
import type { Db } from './db';
import { prepared } from './prepared';
import { sessionLockKey } from './session-lock';

/**
 * Makes or renews the lease of a sequencer for `ttlMs` from now, by the database's clock. Returns the ids of all
 * with an unexpired lease, sorted, this one included: what the partitions are shared among.
 *
 * @param session that holds a `SessionLock`: with it ends the lease; without one it ends by time alone
 */
export async function renewSequencerLease(
  db: Db,
  processId: string,
  ttlMs: number,
  session?: string,
): Promise<string[]> {
  const lease = { node_id: processId, expires_at: fromNow(ttlMs), session: session ?? null };
  const running = await db
    .with('own', (query) =>
      query
        .insertInto('sequencer_lease')
        .values(lease)
        .onConflict((conflict) => conflict.column('node_id').doUpdateSet(lease))
        .returning('node_id'),
    )
    .selectFrom('own')
    .select('node_id')
    .union((query) => query.selectFrom('sequencer_lease').select('node_id').where('expires_at', '>', now))
    .execute();
  return running.map(({ node_id }) => node_id).sort();
}

/** A sequencer whose lease runs. */
export interface RunningSequencer {
  readonly processId: string;
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

const look = prepared<RunningSequencer>(
  'running_sequencers',
  `select node_id as "processId", session, ${IS_LOCK_FREE} as "isLockFree"
     from sequencer_lease where expires_at > now() order by node_id`,
);

/** All sequencers with an unexpired lease, by id. */
export function runningSequencers(db: Db): Promise<RunningSequencer[]> {
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
