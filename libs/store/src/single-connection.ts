import { Client, type ClientBase } from 'pg';

export const CONNECT_TIMEOUT_MS = 5_000;

/** Runs `fn` on a connection of its own, without the time limits of a pool: for work on the database itself. */
export async function withConnection<T>(
  url: string,
  applicationName: string,
  fn: (client: ClientBase) => Promise<T>,
): Promise<T> {
  const client = new Client({
    connectionString: url,
    application_name: applicationName,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
  });
  // The failed query reports a lost connection; without a listener the event would end the process before it can.
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await fn(client);
  } finally {
    await client.end();
  }
}
