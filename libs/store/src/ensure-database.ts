import { DatabaseError } from 'pg';
import { withConnection } from './single-connection';

/** Makes the database `name` on the server at `serverUrl` if there is none. Rejects while the server is not ready. */
export async function ensureDatabase(serverUrl: string, name: string): Promise<void> {
  await withConnection(serverUrl, 'hearth', async (client) => {
    const { rowCount } = await client.query('select from pg_database where datname = $1', [name]);
    if (rowCount === 0) await client.query(`create database ${name}`);
  });
}

/** Whether a server refused the password. */
export function isWrongPassword(error: unknown): boolean {
  return error instanceof DatabaseError && error.code === '28P01';
}
