import { sql } from 'kysely';
import type { Db } from './db';

/** The last message or record of a channel, as its partition's owner noted it (resume §3). */
export interface ChannelEnd {
  readonly channel: string;
  readonly streamEpoch: number;
  /** Place in the partition, as in a deliver record. */
  readonly seq: number;
  /** ULID, upper case. */
  readonly id: string;
}

/** How far the ends of a partition's channels have been noted. */
export interface ChannelEndNote {
  /** Ends that were noted in an earlier series prove nothing. */
  readonly series: number;
  /** The deliver stream's creation time, as the server tells it. */
  readonly deliverCreated: string;
  /** Of every message that the deliver stream had up to here the end of its channel is noted, or a later one. */
  readonly deliverSeq: number;
}

/** What was noted of a channel. */
export interface NotedEnd {
  readonly note: ChannelEndNote;
  /** `undefined` when the channel had said nothing, for longer than any resume token lives. */
  readonly end: ChannelEnd | undefined;
}

/** Rows of one statement. */
const ROWS_AT_ONCE = 5_000;

/**
 * Notes the ends of channels, and then how far that goes. A channel stays where it was noted when an earlier place of it comes again,
 * as in the deliver stream of a cluster.
 *
 * @param claim of the partition; nothing is written when it belongs to another worker by now
 * @returns whether it was written
 */
export async function noteChannelEnds(
  db: Db,
  claim: { readonly partition: number; readonly fencingToken: number },
  ends: readonly ChannelEnd[],
  note: ChannelEndNote,
): Promise<boolean> {
  return db.transaction().execute(async (tx) => {
    const owned = await tx
      .selectFrom('partition_state')
      .select('partition')
      .where('partition', '=', claim.partition)
      .where('epoch', '=', claim.fencingToken)
      .forShare()
      .executeTakeFirst();
    if (owned === undefined) return false;
    for (let from = 0; from < ends.length; from += ROWS_AT_ONCE) {
      const some = ends.slice(from, from + ROWS_AT_ONCE);
      await sql`
        insert into channel_end (channel, partition, series, stream_epoch, seq, id)
        select channel, ${claim.partition}::int, ${note.series}::int8, stream_epoch, seq, id
          from unnest(${some.map(({ channel }) => channel)}::text[], ${some.map(({ streamEpoch }) => streamEpoch)}::int8[],
                      ${some.map(({ seq }) => seq)}::int8[], ${some.map(({ id }) => id)}::text[])
            as noted (channel, stream_epoch, seq, id)
        on conflict (channel) do update
          set partition = excluded.partition, series = excluded.series, noted_at = now(),
              (stream_epoch, seq, id) = (
                select later.* from (values (channel_end.stream_epoch, channel_end.seq, channel_end.id),
                                            (excluded.stream_epoch, excluded.seq, excluded.id)) as later (epoch, seq, id)
                 order by epoch desc, seq desc limit 1)`.execute(tx);
    }
    const { series, deliverCreated: deliver_created, deliverSeq: deliver_seq } = note;
    const noted = { series, deliver_created, deliver_seq };
    await tx
      .insertInto('channel_end_note')
      .values({ partition: claim.partition, ...noted })
      .onConflict((conflict) => conflict.column('partition').doUpdateSet(noted))
      .execute();
    return true;
  });
}

/** How far the ends of a partition's channels have been noted; `undefined` when they never were. */
export function channelEndNote(db: Db, partition: number): Promise<ChannelEndNote | undefined> {
  return db
    .selectFrom('channel_end_note')
    .select(['series', 'deliver_created as deliverCreated', 'deliver_seq as deliverSeq'])
    .where('partition', '=', partition)
    .executeTakeFirst();
}

/**
 * What was noted of a channel; `undefined` when that proves nothing, because its partition never noted any end or because
 * messages may have been lost since without a note.
 */
export async function notedEnd(db: Db, partition: number, channel: string): Promise<NotedEnd | undefined> {
  const row = await db
    .selectFrom('channel_end_note as note')
    .leftJoin('channel_end as noted', (join) => join.on('noted.channel', '=', channel))
    .select(['note.series', 'deliver_created as deliverCreated', 'deliver_seq as deliverSeq'])
    .select(['noted.series as endSeries', 'stream_epoch as streamEpoch', 'seq', 'id'])
    .where('note.partition', '=', partition)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const { series, deliverCreated, deliverSeq, endSeries, streamEpoch, seq, id } = row;
  const note = { series, deliverCreated, deliverSeq };
  // After a loss a channel without a row may be one whose only messages were lost.
  if (id === null || streamEpoch === null || seq === null) return series === 0 ? { note, end: undefined } : undefined;
  return endSeries === series ? { note, end: { channel, streamEpoch, seq, id } } : undefined;
}

/** Deletes what no token can need any more, a bounded number of rows; returns how many went. */
export async function forgetChannelEnds(db: Db, olderThanSeconds: number): Promise<number> {
  const { numAffectedRows } = await sql`
    delete from channel_end where ctid = any (array(
      select ctid from channel_end where noted_at < now() - make_interval(secs => ${olderThanSeconds})
       order by noted_at limit ${ROWS_AT_ONCE} for update skip locked))`.execute(db);
  return Number(numAffectedRows ?? 0);
}
