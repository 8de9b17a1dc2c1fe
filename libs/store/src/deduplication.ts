import { prepared } from './prepared';
import type { Db } from './db';

/** One message that carries a `deduplicationId`, and its place in the stream. */
export interface DeduplicationEntry {
  readonly id: string;
  /** Time of the message by the stream's clock, Unix ms. */
  readonly timeMs: number;
  readonly partition: number;
  /** Epoch of the stream (not the fencing epoch): with `seq` it names the message, whoever processes it. */
  readonly streamEpoch: number;
  readonly seq: number;
}

/** The message that holds an id, as the row says. */
interface Holder {
  readonly deduplication_id: string;
  readonly expires_ms: number;
  readonly partition: number;
  readonly stream_epoch: number;
  readonly seq: number;
}

// Sorted, so that two batches with ids in common wait for each other in one direction only. A conflicting row is locked
// also where the condition then leaves it as it is; from there on it cannot change before this transaction ends.
const claim = prepared<Holder>(
  'claim_deduplication_ids',
  `insert into dedup as d (deduplication_id, first_seen_ms, expires_ms, partition, stream_epoch, seq)
   select id, time_ms, time_ms + $6::int8, partition, stream_epoch, seq
     from unnest($1::text[], $2::int8[], $3::int4[], $4::int8[], $5::int8[]) as e (id, time_ms, partition, stream_epoch, seq)
    order by id collate "C"
   on conflict (deduplication_id) do update
      set first_seen_ms = excluded.first_seen_ms, expires_ms = excluded.expires_ms, partition = excluded.partition,
          stream_epoch = excluded.stream_epoch, seq = excluded.seq
    where d.expires_ms <= excluded.first_seen_ms
   returning deduplication_id, expires_ms, partition, stream_epoch, seq`,
);

const holders = prepared<Holder>(
  'deduplication_holders',
  `select deduplication_id, expires_ms, partition, stream_epoch, seq from dedup where deduplication_id = any ($1::text[])`,
);

/**
 * Decides for each entry whether it is the first with its id (publish-api §5.1): true for the first within `windowMs`
 * of stream time, and again for a repeat of that very message; false for a duplicate, which does not extend the window.
 * Entries of one call are judged in their order.
 *
 * Exact over any number of connections: a batch that meets an id of another batch waits until that one has committed
 * or rolled back. Call it once per transaction: a second call could lock ids out of order and deadlock.
 */
export async function claimDeduplicationIds(
  tx: Db,
  entries: readonly DeduplicationEntry[],
  windowMs: number,
): Promise<boolean[]> {
  const holderOf = new Map<string, Holder>();
  const accepted = new Array<boolean>(entries.length).fill(false);
  let undecided = entries.map((entry, index) => ({ entry, index }));
  // One round, unless the window of an id ends between two of its entries.
  while (undecided.length > 0) {
    const contenders = firstOfEachId(undecided.map(({ entry }) => entry));
    for (const holder of await holdersAfterClaim(tx, contenders, windowMs))
      holderOf.set(holder.deduplication_id, holder);
    undecided = undecided.filter(({ entry, index }) => {
      const holder = holderOf.get(entry.id);
      if (holder === undefined) throw new Error('a claimed deduplication id has no holder');
      accepted[index] = isAt(entry, holder);
      return !accepted[index] && entry.timeMs >= holder.expires_ms;
    });
  }
  return accepted;
}

function firstOfEachId(entries: readonly DeduplicationEntry[]): DeduplicationEntry[] {
  const first = new Map<string, DeduplicationEntry>();
  for (const entry of entries) if (!first.has(entry.id)) first.set(entry.id, entry);
  return [...first.values()];
}

/** Enters each contender that may hold its id, and returns who holds the ids then. */
async function holdersAfterClaim(
  tx: Db,
  contenders: readonly DeduplicationEntry[],
  windowMs: number,
): Promise<Holder[]> {
  const won = await claim(tx, [
    contenders.map((entry) => entry.id),
    contenders.map((entry) => entry.timeMs),
    contenders.map((entry) => entry.partition),
    contenders.map((entry) => entry.streamEpoch),
    contenders.map((entry) => entry.seq),
    windowMs,
  ]);
  if (won.length === contenders.length) return won;
  const ids = new Set(won.map((holder) => holder.deduplication_id));
  const lost = await holders(tx, [contenders.map((entry) => entry.id).filter((id) => !ids.has(id))]);
  return [...won, ...lost];
}

function isAt(entry: DeduplicationEntry, holder: Holder): boolean {
  return entry.partition === holder.partition && entry.streamEpoch === holder.stream_epoch && entry.seq === holder.seq;
}
