import { isPresenceChannel, metaJson } from '@hearth/protocol';
import { prepared } from './prepared';
import type { Db } from './db';

/** Who is subscribed to a channel (channels-presence-storage §4). */
export interface ChannelInfo {
  /** Subscriptions without `omitFromSubCount`. */
  readonly subscriptionsCount: number;
  /** JSON text, in the order of first joining; presence channels only. */
  readonly membersJson?: string;
}

const countOf = prepared<{ count: number }>(
  'subscriptions_count',
  'select coalesce(sum(count), 0)::int8 as count from subscription_count where channel = $1',
);

// All rows of a uid agree in everything but `counted`.
const membersOf = prepared<{ uidJson: string; umdJson: string; count: number }>(
  'members',
  `select uid as "uidJson", umd as "umdJson", count(*) filter (where counted) as count
     from presence_connection where channel = $1 group by member_order, uid, umd order by member_order`,
);

const memberCounts = prepared<{ channel: string; members: number }>(
  'member_counts',
  `select channel, count(distinct uid) as members from presence_connection
    where channel = any ($1::text[]) group by channel`,
);

/** Members of presence channels, as of what the sequencers have saved. Those without any are not there. */
export async function countMembers(db: Db, channels: readonly string[]): Promise<ReadonlyMap<string, number>> {
  if (channels.length === 0) return new Map();
  const rows = await memberCounts(db, [channels]);
  return new Map(rows.map(({ channel, members }) => [channel, members]));
}

/** As of what the sequencers have saved; an unknown channel is an empty one. */
export async function readChannelInfo(db: Db, channel: string): Promise<ChannelInfo> {
  if (!isPresenceChannel(channel)) return { subscriptionsCount: (await countOf(db, [channel]))[0]?.count ?? 0 };
  const rows = await membersOf(db, [channel]);
  const members = rows.map(({ uidJson, umdJson }) => metaJson({ uid: JSON.parse(uidJson) as string, umdJson }));
  return {
    subscriptionsCount: rows.reduce((sum, { count }) => sum + count, 0),
    membersJson: `[${members.join(',')}]`,
  };
}
