import { sql } from 'kysely';
import { STORAGE_PAGE_BYTES, STORAGE_PAGE_ENTRIES } from '@hearth/protocol';
import { lastEventSequence, type Position } from '@hearth/wire';
import { nowMs } from './database-clock';
import type { Db } from './db';

/** Reads of channel storage (channels-presence-storage §5.3). An entry whose time has passed is invisible at once. */

/** An entry as it is told to clients. */
export interface StorageEntry {
  readonly key: string;
  /** JSON text as written. */
  readonly data: string;
  /** JSON text `{"uid","umd"}` of the last writer. */
  readonly meta: string;
}

export interface StoragePageRequest {
  readonly channel: string;
  /** Only keys behind this one, in the order of UTF-8 bytes. */
  readonly after?: string;
  /** Only these keys. */
  readonly keys?: readonly string[];
  /** At most 100, unless told otherwise. */
  readonly limit?: number;
  /** Most bytes of the entries serialised as JSON, 1 MiB unless told otherwise; at least one entry comes if there is any. */
  readonly maxBytes?: number;
}

export interface StoragePage {
  /** Sorted by key, in the order of UTF-8 bytes. */
  readonly entries: readonly StorageEntry[];
  /** Whether there may be more behind them. */
  readonly hasMore: boolean;
}

/** Of a serialised entry, what is the same for all, and the comma to the next. */
const ENTRY_BYTES = '{"key":,"data":,"meta":},'.length;

const NOT_ENDED = sql<boolean>`(expires_ms is null or expires_ms > ${nowMs})`;

/** One entry; `undefined` when it was never set, was cleared, or its time has passed. */
export function readStorageEntry(db: Db, channel: string, key: string): Promise<StorageEntry | undefined> {
  return db
    .selectFrom('channel_storage')
    .select(['key', 'data', 'meta'])
    .where((eb) => eb.and({ channel, key }))
    .where(NOT_ENDED)
    .executeTakeFirst();
}

/** A page of a channel's entries. Sizes are summed in the database, so what is beyond the cut is never sent. */
export async function listStorageEntries(db: Db, request: StoragePageRequest): Promise<StoragePage> {
  const { rows } = await sql<EntryRow>`${pageOf(request)} order by key`.execute(db);
  return storagePage(rows, request);
}

/** A page, and the place in the partition's order as of which it is: everything up to there, and nothing behind it. */
export interface PlacedStoragePage extends StoragePage {
  readonly position: Position;
}

/** As `listStorageEntries`, with the position that the channel's partition had at the same moment. */
export async function snapshotStorageEntries(
  db: Db,
  partition: number,
  request: StoragePageRequest,
): Promise<PlacedStoragePage> {
  // One statement sees one state of the database.
  const { rows } = await sql<Partial<EntryRow> & { streamEpoch: number; seq: number }>`
    select p.stream_epoch as "streamEpoch", p.seq, e.key, e.data, e.meta, e.candidates
      from partition_state p left join (${pageOf(request)}) e on true
     where p.partition = ${partition} order by e.key`.execute(db);
  const [first] = rows;
  if (first === undefined) throw new Error(`partition ${partition} is not known`);
  // Without an entry there still is the row with the position.
  const entries = rows.filter((row): row is typeof row & EntryRow => typeof row.key === 'string');
  return {
    ...storagePage(entries, request),
    position: { epoch: first.streamEpoch, sequence: lastEventSequence(first.seq) },
  };
}

/** An entry whose time has passed and that nobody has removed. */
export interface EndedStorageEntry {
  readonly channel: string;
  readonly key: string;
  readonly expiresMs: number;
}

/** Entries of the given partitions whose time has passed, at most `limit` of each, those that ended first. */
export async function endedStorageEntries(
  db: Db,
  partitions: readonly number[],
  limit: number,
): Promise<EndedStorageEntry[]> {
  const { rows } = await sql<EndedStorageEntry>`
    select e.channel, e.key, e.expires_ms as "expiresMs"
      from unnest(${partitions}::int4[]) as owned (partition)
     cross join lateral (
       select channel, key, expires_ms from channel_storage s
        where s.partition = owned.partition and s.expires_ms <= ${nowMs}
        order by s.expires_ms limit ${limit}
     ) e`.execute(db);
  return rows;
}

interface EntryRow extends StorageEntry {
  /** Entries before those beyond `maxBytes` were cut off. */
  readonly candidates: number;
}

function limitOf(request: StoragePageRequest): number {
  return request.limit ?? STORAGE_PAGE_ENTRIES;
}

function pageOf(request: StoragePageRequest) {
  const { channel, after = '', keys, maxBytes = STORAGE_PAGE_BYTES } = request;
  const isWanted = keys === undefined ? sql`true` : sql`key = any (${keys}::text[])`;
  return sql`
    select key, data, meta, candidates from (
      select *, row_number() over in_order as number, sum(bytes) over in_order as bytes_so_far,
             (count(*) over ())::int4 as candidates
        from (
          select key, data, meta,
                 ${ENTRY_BYTES}::int + octet_length(to_json(key)::text) + octet_length(data) + octet_length(meta) as bytes
            from channel_storage
           where channel = ${channel} and key > ${after} and ${isWanted} and ${NOT_ENDED}
           order by key limit ${limitOf(request)}
        ) as candidate
      window in_order as (order by key)
    ) as measured
    where number = 1 or bytes_so_far <= ${maxBytes}::int8`;
}

function storagePage(rows: readonly EntryRow[], request: StoragePageRequest): StoragePage {
  const candidates = rows[0]?.candidates ?? 0;
  return {
    entries: rows.map(({ key, data, meta }) => ({ key, data, meta })),
    hasMore: rows.length < candidates || candidates === limitOf(request),
  };
}
