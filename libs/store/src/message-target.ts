import { idTimeMs } from '@hearth/protocol';
import { installationNow } from '@hearth/timing';
import { prepared } from './prepared';
import type { Db } from './db';

/** What a reaction must know about the message it is for (channels-presence-storage §6.2). */
export interface FoundMessage {
  readonly event: string;
  /** When the message ends, ms since 1970; `null` = never. */
  readonly expiresMs: number | null;
}

const find = prepared<FoundMessage>(
  'find_message',
  `select event, floor(extract(epoch from expires_at) * 1000)::int8 as "expiresMs" from message_log
    where channel = $1::text and (id = $2::text and eager_id is null or eager_id = $2::text)
      and (expires_at is null or expires_at > now())`,
);

/** A message with an id further from now than this is not on its way: it is in the log, has ended, or never was. */
const ON_ITS_WAY_MS = 60_000;

/**
 * A stored message of the channel that has not expired.
 *
 * @param id ULID, upper case
 * @param settle resolves when everything accepted before is in the log: one that is not there may just be on its way
 */
export async function findMessage(
  db: Db,
  channel: string,
  id: string,
  settle: () => Promise<void>,
): Promise<FoundMessage | undefined> {
  const [found] = await find(db, [channel, id]);
  if (found !== undefined || Math.abs(idTimeMs(id) - installationNow()) > ON_ITS_WAY_MS) return found;
  await settle();
  return (await find(db, [channel, id]))[0];
}
