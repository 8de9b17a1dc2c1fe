import { sql } from 'kysely';
import { now } from './database-clock';
import type { Db } from './db';
import { appendStatement, appendValue, type LogRow } from './message-log';
import { prepared } from './prepared';
import { DatabaseRefusal } from './refusal';

/** How far a partition has been processed. */
export interface Position {
  /** Counts the lives of the stream: raised when it was wiped, re-created or lost its tail. */
  readonly streamEpoch: number;
  /** Sequence of the last processed message in that life of the stream; 0 = none. */
  readonly seq: number;
  /** Highest time part of any id given or seen, Unix ms: the mark below which no id may be made. */
  readonly timeMs: number;
  /** The stream's own timestamp of the message at `seq`, as text; tells a lost and refilled tail from ours. */
  readonly streamTime: string | null;
  /** The stream's creation time, as text; tells a re-created stream from ours. Left as it was when absent. */
  readonly streamCreated?: string | null;
  /** How far each publisher has come, as the sequencer writes it. */
  readonly lanes: string;
  /** A place of the deliver stream that holds a record from up to here, and when that stream was created; null = unknown. */
  readonly deliverCreated?: string | null;
  readonly deliverSeq?: number | null;
  /** Nobody knows what the deliver stream lost before the life that began then, ms since 1970; null = nothing. */
  readonly deliverUnsureMs?: number | null;
}

/** A position together with the right to write it. */
export interface FencedPosition extends Position {
  readonly partition: number;
  /** What `claimPartition` gave. */
  readonly fencingToken: number;
}

export interface PartitionState extends Position {
  readonly partition: number;
  /** The column `epoch`: raised at every claim; a worker with an older one is fenced. */
  readonly fencingToken: number;
  readonly owner: string | null;
  readonly streamCreated: string | null;
}

/** The partition belongs to another worker by now; whatever this one was about to write must not be written. */
export class FencedError extends Error {
  override readonly name = 'FencedError';
  constructor(
    readonly partition: number,
    readonly fencingToken: number,
  ) {
    super(`partition ${partition} is no longer owned with fencing token ${fencingToken}`);
  }
}

/** The installation has another number of partitions. */
export class PartitionCountError extends DatabaseRefusal {
  override readonly name = 'PartitionCountError';
}

/**
 * Makes the rows of all partitions, once per installation: for the start of everything that is told their number.
 *
 * @throws PartitionCountError when the installation was made with another number: a channel's partition depends on it
 */
export async function ensurePartitions(db: Db, count: number): Promise<void> {
  await db.transaction().execute(async (tx) => {
    // Two nodes starting at once with different numbers: the second must see the rows of the first.
    await sql`select pg_advisory_xact_lock(hashtext('hearth partition_state'))`.execute(tx);
    const existing = (await tx.selectFrom('partition_state').select('partition').execute()).length;
    if (existing === 0) {
      await sql`insert into partition_state (partition) select generate_series(0, ${count}::int - 1)`.execute(tx);
    } else if (existing !== count) {
      throw new PartitionCountError(
        `HEARTH_PARTITIONS is ${count}, but this installation was created with ${existing} and the number cannot change`,
      );
    }
  });
}

const STATE = [
  'partition',
  'epoch as fencingToken',
  'owner',
  'stream_epoch as streamEpoch',
  'seq',
  'time_ms as timeMs',
  'stream_time as streamTime',
  'stream_created as streamCreated',
  'lanes',
  'deliver_created as deliverCreated',
  'deliver_seq as deliverSeq',
  'deliver_unsure_ms as deliverUnsureMs',
] as const;

/** All partitions in order, with their owners and positions. */
export function listPartitions(db: Db): Promise<PartitionState[]> {
  return db.selectFrom('partition_state').select(STATE).orderBy('partition').execute();
}

/**
 * Takes a partition that is free or whose owner's lease has been ended, and raises its fencing token, which fences the owner
 * before. `undefined` when its owner (the caller itself included) has a lease or the caller has none. Whether a lease has
 * expired by the database's clock means nothing: that may be set.
 */
export async function claimPartition(
  db: Db,
  partition: number,
  processId: string,
): Promise<PartitionState | undefined> {
  return db.transaction().execute(async (tx) => {
    // Locked first: an update that had to wait for the row looks again at that row, but not at the leases it compared
    // it with, and would take the partition from whoever claimed it meanwhile.
    // One that is locked at the moment is left for later: its holder may be a process that was stopped in the middle of
    // a transaction, and waiting for it would cost the caller its own lease.
    const locked = await tx
      .selectFrom('partition_state')
      .select('owner')
      .where('partition', '=', partition)
      .forUpdate()
      .skipLocked()
      .executeTakeFirst();
    if (locked === undefined) return undefined;
    const hasLease = (node: string | null) =>
      tx.selectFrom('sequencer_lease').select('node_id').where('node_id', '=', node);
    return tx
      .updateTable('partition_state')
      .set(({ eb }) => ({ owner: processId, epoch: eb('epoch', '+', 1), updated_at: now }))
      .where('partition', '=', partition)
      .where((eb) => eb.not(eb.exists(hasLease(locked.owner))))
      .where((eb) => eb.exists(hasLease(processId)))
      .returning(STATE)
      .executeTakeFirst();
  });
}

/** Moves each position whose fencing token is current and that does not go back; parameters from `advanceValues`. */
const ADVANCE = `
  update partition_state as p
     set stream_epoch = n.stream_epoch, seq = n.seq, time_ms = greatest(p.time_ms, n.time_ms),
         stream_time = n.stream_time, stream_created = coalesce(n.stream_created, p.stream_created), lanes = n.lanes,
         deliver_created = n.deliver_created, deliver_seq = n.deliver_seq,
         deliver_unsure_ms = n.deliver_unsure_ms, updated_at = now()
    from unnest($1::int4[], $2::int8[], $3::int8[], $4::int8[], $5::int8[], $6::text[], $7::text[], $8::text[],
                $9::text[], $10::int8[], $11::int8[])
      as n (partition, epoch, stream_epoch, seq, time_ms, stream_time, stream_created, lanes, deliver_created, deliver_seq,
            deliver_unsure_ms)
   where p.partition = n.partition and p.epoch = n.epoch and p.owner is not null
     and (p.stream_epoch, p.seq) <= (n.stream_epoch, n.seq)
  returning p.partition`;

const advance = prepared<{ partition: number }>('advance_partitions', ADVANCE);

// Counting makes the insert wait for the update, that is, for the locks on the partitions' rows.
const ALL_ADVANCED = '(select count(*) from advanced) = cardinality($1::int4[])';
const advanceAndAppend = prepared<{ partition: number }>(
  'advance_and_append',
  `with advanced as (${ADVANCE}), appended as (${appendStatement(12, ALL_ADVANCED)})
   select partition from advanced`,
);

/**
 * Moves the positions of partitions, in the transaction of the effects they stand for, and keeps their rows locked until
 * the commit: a claim of another worker waits, then reads this position.
 *
 * @throws FencedError when one of the partitions was taken over; the transaction must then be rolled back
 * @throws Error when the position would go back: a mistake of the caller
 */
export async function fenceAndAdvance(tx: Db, positions: readonly FencedPosition[]): Promise<void> {
  await refuseUnlessAll(tx, positions, await advance(tx, advanceValues(positions)));
}

/** Says why a position was not written, if any was not. */
async function refuseUnlessAll(
  db: Db,
  positions: readonly FencedPosition[],
  advanced: readonly { readonly partition: number }[],
): Promise<void> {
  if (advanced.length === positions.length) return;
  const done = new Set(advanced.map(({ partition }) => partition));
  for (const position of positions) {
    if (done.has(position.partition)) continue;
    await assertOwned(db, position);
    throw new Error(`partition ${position.partition} is already past ${position.streamEpoch}:${position.seq}`);
  }
}

/**
 * `fenceAndAdvance` and `appendMessages` in one statement, which is its own transaction: for the batch that does nothing
 * else, the usual one, it saves three of four round trips (one message: 0.4 ms instead of 0.9).
 *
 * @throws FencedError when one of the partitions was taken over; nothing was appended then
 * @throws Error when a position would go back: a mistake of the caller; nothing was appended
 */
export async function appendAndAdvance(
  db: Db,
  positions: readonly FencedPosition[],
  rows: readonly LogRow[],
): Promise<void> {
  const parameters = [...advanceValues(positions), appendValue(rows)];
  await refuseUnlessAll(db, positions, await advanceAndAppend(db, parameters));
}

/** @throws FencedError when the partition was taken over or given back */
export async function assertOwned(
  db: Db,
  { partition, fencingToken }: Pick<FencedPosition, 'partition' | 'fencingToken'>,
): Promise<void> {
  const owned = await db
    .selectFrom('partition_state')
    .select('owner')
    .where((eb) => eb.and({ partition, epoch: fencingToken }))
    .where('owner', 'is not', null)
    .executeTakeFirst();
  if (owned === undefined) throw new FencedError(partition, fencingToken);
}

function advanceValues(positions: readonly FencedPosition[]): readonly unknown[] {
  return [
    positions.map((position) => position.partition),
    positions.map((position) => position.fencingToken),
    positions.map((position) => position.streamEpoch),
    positions.map((position) => position.seq),
    positions.map((position) => position.timeMs),
    positions.map((position) => position.streamTime),
    positions.map((position) => position.streamCreated ?? null),
    positions.map((position) => position.lanes),
    positions.map((position) => position.deliverCreated ?? null),
    positions.map((position) => position.deliverSeq ?? null),
    positions.map((position) => position.deliverUnsureMs ?? null),
  ];
}

/** Gives a partition back. One that was taken over meanwhile is left alone. */
export async function releasePartition(db: Db, partition: number, fencingToken: number): Promise<void> {
  await db
    .updateTable('partition_state')
    .set({ owner: null, updated_at: now })
    .where((eb) => eb.and({ partition, epoch: fencingToken }))
    .execute();
}

const caughtUp = prepared(
  'caught_up',
  `update partition_state set caught_up_ms = greatest(caught_up_ms, $3::int8)
    where partition = $1::int4 and epoch = $2::int8 and owner is not null`,
);

/**
 * Tells that everything in the given partitions older than `timeMs` (the stream's clock, Unix ms) has been processed:
 * for an idle partition a little before now, for a busy one the time of the last message processed. Until all
 * partitions are past the end of a dedup row, expiry keeps it. Partitions that were taken over are left alone.
 *
 * One statement each: who has one row and waits for another deadlocks with `ADVANCE`, which has several.
 */
export async function reportCaughtUp(
  db: Db,
  entries: readonly { readonly partition: number; readonly fencingToken: number; readonly timeMs: number }[],
): Promise<void> {
  for (const { partition, fencingToken, timeMs } of entries) {
    await caughtUp(db, [partition, fencingToken, Math.floor(timeMs)]);
  }
}
