import type { ClientBase } from 'pg';
import { withSession } from './single-connection';

/**
 * Makes or drops the index for operators who query by channel, event and time
 * (channels-presence-storage §6.1, `HEARTH_MESSAGE_EVENT_INDEX`); no query of ours needs it. Building it on a large
 * table takes long but stops neither readers nor writers. Takes a URL like `migrate`, because it needs a connection
 * without time limits. When another node is at it, this one leaves it to that.
 */
export async function ensureEventIndex(url: string, enabled: boolean): Promise<void> {
  await withSession(url, 'hearth event index', async (client) => {
    const wanted = enabled ? 'whole' : 'none';
    if ((await stateOfIndex(client)) === wanted) return;
    // Not waiting for the lock: "concurrently" waits for everybody who waits with a snapshot, so both would.
    const lock = await client.query<{ ours: boolean }>(
      `select pg_try_advisory_lock(hashtext('hearth event index')) as ours`,
    );
    if (lock.rows[0]?.ours !== true || (await stateOfIndex(client)) === wanted) return;
    await client.query('drop index concurrently if exists message_log_event_idx');
    if (!enabled) return;
    await client.query('create index concurrently message_log_event_idx on message_log (channel, event, id)');
  });
}

/** An interrupted build leaves an index that costs and serves nothing: a broken one. */
async function stateOfIndex(client: ClientBase): Promise<'none' | 'broken' | 'whole'> {
  const { rows } = await client.query<{ valid: boolean }>(
    `select indisvalid as valid from pg_index where indexrelid = to_regclass('message_log_event_idx')`,
  );
  const [index] = rows;
  return index === undefined ? 'none' : index.valid ? 'whole' : 'broken';
}
