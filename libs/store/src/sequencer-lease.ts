import { sql } from 'kysely';
import type { Db } from './tables';

/**
 * Makes or renews the lease of a sequencer for `ttlMs` from now, by the database's clock. Returns the ids of all nodes
 * with a living lease, sorted, this one included: what the partitions are shared among.
 */
export async function renewSequencerLease(db: Db, nodeId: string, ttlMs: number): Promise<string[]> {
  const { rows } = await sql<{ node_id: string }>`
    with own as (
      insert into sequencer_lease (node_id, expires_at)
      values (${nodeId}, now() + ${ttlMs}::float8 * interval '1 millisecond')
      on conflict (node_id) do update set expires_at = excluded.expires_at
      returning node_id
    )
    select node_id from own
    union select node_id from sequencer_lease where expires_at > now()`.execute(db);
  return rows.map((row) => row.node_id).sort();
}

/** Ends the lease of a sequencer that stops in good order, and frees the partitions it still has. */
export async function releaseSequencer(db: Db, nodeId: string): Promise<void> {
  await db.transaction().execute(async (tx) => {
    await tx
      .updateTable('partition_state')
      .set({ owner: null, updated_at: sql<Date>`now()` })
      .where('owner', '=', nodeId)
      .execute();
    await tx.deleteFrom('sequencer_lease').where('node_id', '=', nodeId).execute();
  });
}
