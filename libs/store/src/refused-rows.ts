import { sql } from 'kysely';
import type { Db } from './db';
import { isRefusedForData } from './outage';

/** A row that Postgres refuses for what it is, however often that is tried. */
export interface RefusedRow {
  readonly table: string;
  /** As it was to be written, or its key. */
  readonly row: object;
  readonly error: unknown;
}

/**
 * Writes all rows but those that Postgres refuses for what they are, which it finds by halves; in a transaction, which the
 * refusals do not end.
 */
export async function writeUnlessRefused<Row extends object>(
  tx: Db,
  table: string,
  rows: readonly Row[],
  write: (rows: readonly Row[]) => Promise<void>,
): Promise<readonly RefusedRow[]> {
  if (rows.length === 0) return [];
  await sql`savepoint writing`.execute(tx);
  try {
    await write(rows);
    await sql`release savepoint writing`.execute(tx);
    return [];
  } catch (error) {
    if (!isRefusedForData(error)) throw error;
    await sql`rollback to savepoint writing`.execute(tx);
    await sql`release savepoint writing`.execute(tx);
    const [row] = rows;
    if (row !== undefined && rows.length === 1) return [{ table, row, error }];
  }
  const middle = rows.length >> 1;
  return [
    ...(await writeUnlessRefused(tx, table, rows.slice(0, middle), write)),
    ...(await writeUnlessRefused(tx, table, rows.slice(middle), write)),
  ];
}
