import { prepared } from './prepared';
import type { Db } from './db';
import { type Holder, holderOf, judge, stillNeeded } from './deduplication-window';

/** One message that carries a `deduplicationId`, and its place in the stream. */
export interface DeduplicationEntry {
  readonly id: string;
  /** Time of the message by the stream's clock, Unix ms. */
  readonly timeMs: number;
  readonly partition: number;
  /** Epoch of the stream (not the claim's fencing token): with `seq` it names the message, whoever processes it. */
  readonly streamEpoch: number;
  readonly seq: number;
  /** So long no other one with the id is accepted. */
  readonly windowMs: number;
  /** What it becomes, where its duplicates shall know. */
  readonly result?: string;
}

interface TakenId {
  readonly id: string;
  readonly holders: readonly Holder[];
  /** What is older than this has been processed in all partitions, Unix ms; `null` without partitions. */
  readonly caughtUpMs: number | null;
}

// Sorted, so that two batches with ids in common wait for each other in one direction only. A conflicting row is locked
// although the condition leaves it as it is; from there on it cannot change before this transaction ends.
const claim = prepared<{ id: string }>(
  'claim_deduplication_ids',
  `insert into dedup as d (deduplication_id, first_seen_ms, expires_ms, partition, stream_epoch, seq, result)
   select id, time_ms, time_ms + window_ms, partition, stream_epoch, seq, result
     from unnest($1::text[], $2::int8[], $3::int4[], $4::int8[], $5::int8[], $6::int8[], $7::text[])
       as e (id, time_ms, partition, stream_epoch, seq, window_ms, result)
    order by id collate "C"
   on conflict (deduplication_id) do update set seq = d.seq where false
   returning deduplication_id as id`,
);

const taken = prepared<TakenId>(
  'taken_deduplication_ids',
  `select deduplication_id as id,
          jsonb_build_array(jsonb_build_object('firstMs', first_seen_ms, 'expiresMs', expires_ms, 'partition', partition,
            'streamEpoch', stream_epoch, 'seq', seq, 'result', result)) || coalesce(earlier::jsonb, '[]') as holders,
          (select min(coalesce(caught_up_ms, 0)) from partition_state) as "caughtUpMs"
     from dedup where deduplication_id = any ($1::text[])`,
);

const take = prepared(
  'take_deduplication_ids',
  `update dedup as d
      set first_seen_ms = e.first_ms, expires_ms = e.expires_ms, partition = e.partition, stream_epoch = e.stream_epoch,
          seq = e.seq, earlier = e.earlier, result = e.result
     from unnest($1::text[], $2::int8[], $3::int8[], $4::int4[], $5::int8[], $6::int8[], $7::text[], $8::text[])
       as e (id, first_ms, expires_ms, partition, stream_epoch, seq, earlier, result)
    where d.deduplication_id = e.id`,
);

/**
 * Decides for each entry whether it is the first with its id (publish-api §5.1): `undefined` when no other one within
 * `windowMs` of stream time has been accepted, and again for a repeat of that very message, however many have been accepted
 * with its id since; for a duplicate, which does not extend the window, the one that was accepted. Entries of one call are
 * judged in their order; those with one id have the same window.
 *
 * Exact over any number of connections: a batch that meets an id of another batch waits until that one has committed
 * or rolled back. Call it once per transaction: a second call could lock ids out of order and deadlock.
 */
export async function claimDeduplicationIds(
  tx: Db,
  entries: readonly DeduplicationEntry[],
): Promise<(Holder | undefined)[]> {
  const contenders = firstOfEachId(entries);
  const won = await claim(tx, [
    contenders.map((entry) => entry.id),
    contenders.map((entry) => entry.timeMs),
    contenders.map((entry) => entry.partition),
    contenders.map((entry) => entry.streamEpoch),
    contenders.map((entry) => entry.seq),
    contenders.map((entry) => entry.windowMs),
    contenders.map((entry) => entry.result ?? null),
  ]);
  if (won.length === entries.length) return entries.map(() => undefined);
  const rows = await taken(tx, [contenders.map(({ id }) => id)]);
  const caughtUpMs = rows[0]?.caughtUpMs ?? 0;
  const holdersOf = new Map(rows.map(({ id, holders }) => [id, [...holders]]));
  const changed = new Map<string, readonly Holder[]>();
  const accepted = entries.map(({ id, timeMs, partition, streamEpoch, seq, windowMs, result }) => {
    const holders = holdersOf.get(id);
    if (holders === undefined) throw new Error('a claimed deduplication id has no holder');
    const message = { partition, streamEpoch, seq, firstMs: timeMs, expiresMs: timeMs + windowMs, result };
    const verdict = judge(holders, message);
    if (verdict === 'first') {
      holders.push(message);
      changed.set(id, holders);
    }
    return verdict === 'duplicate' ? holderOf(holders, message) : undefined;
  });
  if (changed.size > 0) await holdAgain(tx, changed, caughtUpMs);
  return accepted;
}

function firstOfEachId(entries: readonly DeduplicationEntry[]): DeduplicationEntry[] {
  const first = new Map<string, DeduplicationEntry>();
  for (const entry of entries) if (!first.has(entry.id)) first.set(entry.id, entry);
  return [...first.values()];
}

/** Writes who holds ids that have been accepted again. */
async function holdAgain(tx: Db, holdersOf: ReadonlyMap<string, readonly Holder[]>, caughtUpMs: number): Promise<void> {
  const kept = [...holdersOf.values()].map((holders) => stillNeeded(holders, caughtUpMs));
  await take(tx, [
    [...holdersOf.keys()],
    kept.map(([latest]) => latest.firstMs),
    kept.map(([latest]) => latest.expiresMs),
    kept.map(([latest]) => latest.partition),
    kept.map(([latest]) => latest.streamEpoch),
    kept.map(([latest]) => latest.seq),
    kept.map(([, ...earlier]) => (earlier.length === 0 ? null : JSON.stringify(earlier))),
    kept.map(([latest]) => latest.result ?? null),
  ]);
}
