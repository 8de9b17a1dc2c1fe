import { fromNow, now } from './database-clock';
import type { Db } from './db';

/**
 * Makes or renews the lease of a sequencer for `ttlMs` from now, by the database's clock. Returns the ids of all
 * with a living lease, sorted, this one included: what the partitions are shared among.
 */
export async function renewSequencerLease(db: Db, processId: string, ttlMs: number): Promise<string[]> {
  const lease = { node_id: processId, expires_at: fromNow(ttlMs) };
  const living = await db
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
  return living.map(({ node_id }) => node_id).sort();
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
