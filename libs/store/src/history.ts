import { sql } from 'kysely';
import { firstIdOf, HISTORY_PAGE_BYTES, HISTORY_PAGE_MESSAGES } from '@hearth/protocol';
import { reactionsOfCandidate, type ReactionDetail } from './reactions';
import type { Db } from './db';

export interface HistoryPage {
  readonly channel: string;
  /** Oldest visible instant, inclusive, Unix ms; 0 = everything. */
  readonly sinceMs: number;
  /** ULID (upper case), strictly newer; ignored with `reverse`. */
  readonly after?: string;
  /** ULID (upper case), strictly older; ignored without `reverse`. */
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

/**
 * One page of a channel's stored messages (client-http-api §3): those not expired whose ULID is not older than
 * `sinceMs`, up to `limit` messages or `maxBytes`, whichever is hit first, but at least one if any is visible.
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
          select id, channel, event, data, meta, ${bytesOfMessage} as bytes
            from message_log
           where channel = ${page.channel} and id >= ${firstIdOf(page.sinceMs)} and ${beyondCursor(page)}
             and (expires_at is null or expires_at > now())
           order by id ${direction} limit ${limit}
        ) as candidate
        cross join lateral (${reactionsOfCandidate(page.reactions)}) as reacted
      window in_order as (order by id ${direction})
    ) as measured
    where number = 1 or bytes_so_far <= ${page.maxBytes ?? HISTORY_PAGE_BYTES}::int8
    order by id ${direction}`.execute(db);
  return rows;
}

export interface MissedRange {
  readonly channel: string;
  /** Oldest visible instant, inclusive, Unix ms; 0 = everything. */
  readonly sinceMs: number;
  /** ULID (upper case), strictly newer. */
  readonly after: string;
  /** ULID (upper case), not newer. */
  readonly through: string;
  readonly limit: number;
  /** Most bytes of the messages serialised as JSON. */
  readonly maxBytes: number;
}

export interface MissedMessage extends Omit<StoredMessage, 'reactions'> {
  /** Connection that published it; `null` for a server message. */
  readonly connectionId: string | null;
}

/**
 * The newest of a channel's stored messages in a range of ids, oldest first: those not expired, as many as the limits
 * allow (websocket-protocol §12).
 */
export async function newestMessages(db: Db, range: MissedRange): Promise<MissedMessage[]> {
  const { rows } = await sql<MissedMessage>`
    select id, channel, event, data, meta, connection_id as "connectionId" from (
      select *, sum(bytes) over (order by id desc) as bytes_so_far from (
        select id, channel, event, data, meta, connection_id, ${bytesOfMessage} as bytes
          from message_log
         where channel = ${range.channel} and id >= ${firstIdOf(range.sinceMs)}
           and id > ${range.after} and id <= ${range.through} and (expires_at is null or expires_at > now())
         order by id desc limit ${range.limit}
      ) as candidate
    ) as measured
    where bytes_so_far <= ${range.maxBytes}::int8
    order by id`.execute(db);
  return rows;
}

/** Messages that are read at once at most. */
const MOST_MESSAGES = 1_000;

/**
 * A channel's stored messages behind an id, oldest first: those not expired, as many as fit into `maxBytes`, but at least
 * one if there is any (resume §3).
 *
 * @param before only messages with smaller ids
 */
export async function messagesBehind(
  db: Db,
  channel: string,
  after: string,
  before: string,
  maxBytes: number,
): Promise<MissedMessage[]> {
  const { rows } = await sql<MissedMessage>`
    select id, channel, event, data, meta, connection_id as "connectionId" from (
      select *, sum(bytes) over in_order as bytes_so_far, row_number() over in_order as number from (
        select id, channel, event, data, meta, connection_id, ${bytesOfMessage} as bytes
          from message_log
         where channel = ${channel} and id > ${after} and id < ${before} and (expires_at is null or expires_at > now())
         order by id limit ${MOST_MESSAGES}
      ) as candidate
      window in_order as (order by id)
    ) as measured
    where number = 1 or bytes_so_far <= ${maxBytes}::int8
    order by id`.execute(db);
  return rows;
}

function beyondCursor(page: HistoryPage) {
  if (page.reverse === true) return page.before === undefined ? sql`true` : sql`id < ${page.before}`;
  return page.after === undefined ? sql`true` : sql`id > ${page.after}`;
}
