import { sql } from 'kysely';
import { firstIdOf, HISTORY_PAGE_BYTES, HISTORY_PAGE_MESSAGES } from '@hearth/protocol';
import { reactionsOfCandidate, type ReactionDetail } from './reactions-table';
import type { Db } from './db';

export interface HistoryPage {
  readonly channel: string;
  /** Oldest visible instant, inclusive, Unix ms; 0 = everything. */
  readonly sinceMs: number;
  /** Only messages that were delivered after the one with this id (ULID, upper case); ignored with `reverse`. */
  readonly after?: string;
  /** Only messages that were delivered before it; ignored without `reverse`. */
  readonly before?: string;
  /** Newest first; oldest first by default. */
  readonly reverse?: boolean;
  /** At most 100, the default. */
  readonly limit?: number;
  /** Most bytes of the messages serialised as JSON, with their reactions; 1 MiB by default. */
  readonly maxBytes?: number;
  /** What is read of reactions; nothing by default. */
  readonly reactions?: ReactionDetail;
}

export interface StoredMessage {
  readonly id: string;
  readonly channel: string;
  readonly event: string;
  /** JSON text as published. */
  readonly data: string;
  /** JSON text of `{"uid","umd"}`, or `null` for a server message. */
  readonly meta: string | null;
  /** JSON text of the member `reactions` (§3.3); `null` for a message without, and when they were not asked for. */
  readonly reactions: string | null;
}

const ULID_CHARACTERS = 26;
/** Of a serialised message, what is the same for all, and the comma to the next. */
const FRAME_BYTES = '{"id":"","event":"","channel":"","data":,"meta":},'.length + ULID_CHARACTERS;
const REACTIONS_BYTES = ',"reactions":'.length;
/** Stands in the answer for the `meta` of a server message (client-http-api §3.2). */
const ANONYMOUS_META_BYTES = '{"uid":null,"umd":null}'.length;

/** Bytes of a row serialised as a message. */
const bytesOfMessage = sql`
  ${FRAME_BYTES}::int + octet_length(to_json(event)::text) - 2 + octet_length(to_json(channel)::text) - 2
    + octet_length(data) + coalesce(octet_length(meta), ${ANONYMOUS_META_BYTES}::int)`;

/** Of a row: its place in the order of delivery, and the message's id. */
const PLACE_AND_ID = sql`id as place, coalesce(eager_id, id) as id`;
const NOT_EXPIRED = sql`(expires_at is null or expires_at > now())`;

/**
 * The place of a message in the order of delivery (`message_log.id`). An id that was not made for its place is looked up;
 * the place of one that is not stored is taken for what it says itself.
 *
 * @param ids of messages that follow one another: the place of the first that is stored under such an id, else of the last
 */
function placeOf(channel: string, ids: readonly string[]) {
  return sql`coalesce(
    (select id from message_log where channel = ${channel} and eager_id = any (${ids}::text[]) order by id limit 1),
    ${ids.at(-1) ?? ''}::text)`;
}

/** Of a row: neither its place nor its id is older than an instant. An id that was made early has a time of its own. */
function isSince(ms: number) {
  const firstId = firstIdOf(Math.ceil(ms));
  return sql`id >= ${firstId} and (eager_id is null or eager_id >= ${firstId})`;
}

/**
 * One page of a channel's stored messages (client-http-api §3), in the order of delivery: those not expired that are not
 * older than `sinceMs`, up to `limit` messages or `maxBytes`, whichever is hit first, but at least one if any is
 * visible.
 *
 * Sizes are summed in the database, which knows them without reading the texts, so what is beyond the cut is never sent.
 */
export async function listMessages(db: Db, page: HistoryPage): Promise<StoredMessage[]> {
  const direction = page.reverse === true ? sql`desc` : sql`asc`;
  const limit = Math.min(page.limit ?? HISTORY_PAGE_MESSAGES, HISTORY_PAGE_MESSAGES);
  const { rows } = await sql<StoredMessage>`
    select id, channel, event, data, meta, reactions from (
      select *, row_number() over in_order as number,
             sum(bytes + coalesce(octet_length(reactions) + ${REACTIONS_BYTES}::int, 0)) over in_order as bytes_so_far
        from (
          select ${PLACE_AND_ID}, channel, event, data, meta, ${bytesOfMessage} as bytes
            from message_log as log
           where channel = ${page.channel} and ${isSince(page.sinceMs)} and ${beyondCursor(page)} and ${NOT_EXPIRED}
           order by log.id ${direction} limit ${limit}
        ) as candidate
        cross join lateral (${reactionsOfCandidate(page.reactions)}) as reacted
      window in_order as (order by place ${direction})
    ) as measured
    where number = 1 or bytes_so_far <= ${page.maxBytes ?? HISTORY_PAGE_BYTES}::int8
    order by place ${direction}`.execute(db);
  return rows;
}

export interface MissedRange {
  readonly channel: string;
  /** Oldest visible instant, inclusive, Unix ms; 0 = everything. */
  readonly sinceMs: number;
  /** ULID (upper case) of the message before the range. */
  readonly after: string;
  /** ULID (upper case) of the last message of the range. */
  readonly through: string;
  readonly limit: number;
  /** Most bytes of the messages serialised as JSON. */
  readonly maxBytes: number;
}

export interface MissedMessage extends Omit<StoredMessage, 'reactions'> {
  /** A ULID, whose order is the order of delivery. */
  readonly place: string;
  /** Connection that published it; `null` for a server message. */
  readonly connectionId: string | null;
}

/**
 * The newest of a channel's stored messages in a range, in the order of delivery: those not expired, as many as the limits
 * allow (resume §5).
 */
export async function newestMessages(db: Db, range: MissedRange): Promise<MissedMessage[]> {
  const { channel, sinceMs, after, through } = range;
  const { rows } = await sql<MissedMessage>`
    select place, id, channel, event, data, meta, connection_id as "connectionId" from (
      select *, sum(bytes) over (order by place desc) as bytes_so_far from (
        select ${PLACE_AND_ID}, channel, event, data, meta, connection_id, ${bytesOfMessage} as bytes
          from message_log as log
         where channel = ${channel} and ${isSince(sinceMs)}
           and id > ${placeOf(channel, [after])} and id <= ${placeOf(channel, [through])} and ${NOT_EXPIRED}
         order by log.id desc limit ${range.limit}
      ) as candidate
    ) as measured
    where bytes_so_far <= ${range.maxBytes}::int8
    order by place`.execute(db);
  return rows;
}

/** Messages that are read at once at most. */
const MOST_MESSAGES = 1_000;

/** A part of a channel's log. */
export interface LogRange {
  /** Behind all of these: ids of messages, or places (ULIDs, upper case). */
  readonly after: readonly string[];
  /** Before the first of these that is stored, or else the last: ids of messages that follow one another, or a place. */
  readonly before: readonly string[];
}

/**
 * A channel's stored messages in a range, in the order of delivery: those not expired, as many as fit into `maxBytes`, but
 * at least one if there is any (resume §3).
 */
export async function messagesBetween(
  db: Db,
  channel: string,
  { after, before }: LogRange,
  maxBytes: number,
): Promise<MissedMessage[]> {
  const behindAll = sql`greatest(${sql.join(after.map((id) => placeOf(channel, [id])))})`;
  const { rows } = await sql<MissedMessage>`
    select place, id, channel, event, data, meta, connection_id as "connectionId" from (
      select *, sum(bytes) over in_order as bytes_so_far, row_number() over in_order as number from (
        select ${PLACE_AND_ID}, channel, event, data, meta, connection_id, ${bytesOfMessage} as bytes
          from message_log as log
         where channel = ${channel} and id > ${behindAll} and id < ${placeOf(channel, before)} and ${NOT_EXPIRED}
         order by log.id limit ${MOST_MESSAGES}
      ) as candidate
      window in_order as (order by place)
    ) as measured
    where number = 1 or bytes_so_far <= ${maxBytes}::int8
    order by place`.execute(db);
  return rows;
}

function beyondCursor({ channel, reverse, after, before }: HistoryPage) {
  if (reverse === true) return before === undefined ? sql`true` : sql`id < ${placeOf(channel, [before])}`;
  return after === undefined ? sql`true` : sql`id > ${placeOf(channel, [after])}`;
}
