import type { Db } from './tables';

/**
 * Runs `fn` in one transaction: everything it writes becomes visible together when the returned promise resolves.
 *
 * When it rejects, nothing was written, with one exception nobody can remove: a connection lost during the commit.
 * Whoever retries must be idempotent, which everything a batch does is, because a repeat carries the same ids and the
 * same position.
 */
export async function withBatch<T>(db: Db, fn: (tx: Db) => Promise<T>): Promise<T> {
  return db.transaction().execute(fn);
}
