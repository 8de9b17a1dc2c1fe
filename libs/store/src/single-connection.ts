import { Client, type ClientBase } from 'pg';
import { prepareSession } from './sessions';

export const CONNECT_TIMEOUT_MS = 5_000;

const NO_LIMITS = { statement_timeout: 0, idle_in_transaction_session_timeout: 0 };

/**
 * Runs `fn` in a session of its own, without the time limits of a pool: for work on the schema.
 *
 * @throws as `prepareSession`
 */
export function withSession<T>(
  url: string,
  applicationName: string,
  fn: (client: ClientBase) => Promise<T>,
): Promise<T> {
  return withConnection(url, applicationName, async (client) => {
    await prepareSession(client, NO_LIMITS);
    return fn(client);
  });
}

/** Runs `fn` on a connection of its own, to any database. */
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
