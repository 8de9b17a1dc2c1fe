import { prepared } from './prepared';
import type { Db } from './db';

/** How many of something there are, as of what the sequencers have saved, and whether a certain one is among them. */
export interface CountWith {
  readonly count: number;
  readonly has: boolean;
}

const storageKeys = prepared<CountWith>(
  'count_storage_keys',
  `select count(*)::int8 as count, coalesce(bool_or(key = $2), false) as has from channel_storage
    where channel = $1 and (expires_ms is null or expires_ms > $3::int8)`,
);
const schedules = prepared<CountWith>(
  'count_schedules',
  'select count(*)::int8 as count, false as has from schedule where schedule_channel(payload) = $1',
);
const reactions = prepared<CountWith>(
  'count_reactions',
  `select count(*)::int8 as count, coalesce(bool_or(reaction = $4), false) as has from message_reaction
    where channel = $1 and message_id = $2 and uid = $3`,
);

/**
 * Storage keys of a channel whose time has not passed.
 *
 * @param nowMs ms since 1970
 */
export function countStorageKeys(db: Db, channel: string, key: string, nowMs: number): Promise<CountWith> {
  return only(storageKeys(db, [channel, key, Math.floor(nowMs)]));
}

/** What waits in a channel for its time. */
export function countSchedules(db: Db, channel: string): Promise<CountWith> {
  return only(schedules(db, [channel]));
}

/** Reactions of one user to a message. */
export function countReactions(
  db: Db,
  channel: string,
  messageId: string,
  uid: string,
  reaction: string,
): Promise<CountWith> {
  return only(reactions(db, [channel, messageId, JSON.stringify(uid), reaction]));
}

async function only(rows: Promise<readonly CountWith[]>): Promise<CountWith> {
  const [row] = await rows;
  return row ?? { count: 0, has: false };
}
