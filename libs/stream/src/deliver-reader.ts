import {
  decodeDeliverRecord,
  DELIVER_STREAM,
  DELIVER_SUBJECTS,
  deliveredChannel,
  comparePositions,
  DeliverRecord,
  deliverSubject,
} from '@hearth/wire';
import { idTimeMs } from '@hearth/protocol';
import { every } from '@hearth/timing';
import { StreamConnection } from './connection';
import { PullConsumer, StartAt } from './pull-consumer';
import { extentOf, storedLast, storedMessage, StreamExtent } from './stream-position';

/** A record and its place in the deliver stream. */
export interface StoredDeliverRecord {
  readonly sequence: number;
  readonly record: DeliverRecord;
}

/** The same, and when the deliver stream stored it, ms since 1970. */
export interface LastDelivered extends StoredDeliverRecord {
  readonly storedMs: number;
}

const DIRECT_GET_TIMEOUT_MS = 2_000;

/** The latest message of a channel that is still in the deliver stream; `undefined` when there is none. */
export async function lastDelivered(connection: StreamConnection, channel: string): Promise<LastDelivered | undefined> {
  // In a cluster any copy of the stream answers the cheap question, also one that is behind, or cut off from the others.
  if (connection.isClustered) {
    const message = await storedLast(connection, DELIVER_STREAM, deliverSubject(channel));
    if (message === undefined) return undefined;
    const { seq: sequence, data, timestamp } = message;
    return { sequence, record: decodeDeliverRecord(data), storedMs: Date.parse(timestamp) };
  }
  const question = JSON.stringify({ last_by_subj: deliverSubject(channel) });
  const answer = await connection.ask(`$JS.API.DIRECT.GET.${DELIVER_STREAM}`, question, DIRECT_GET_TIMEOUT_MS);
  const status = answer.headers?.code ?? 0;
  if (status === 404) return undefined;
  if (status !== 0) throw new Error(`reading ${DELIVER_STREAM} failed: ${answer.headers?.description}`);
  return {
    sequence: Number(answer.headers?.get('Nats-Sequence')),
    record: decodeDeliverRecord(answer.data),
    storedMs: Date.parse(answer.headers?.get('Nats-Time-Stamp') ?? ''),
  };
}

/** Nothing is sent again sooner than this, and a record that was not is stored sooner after its id was given, as a rule. */
const REPEATED_AFTER_MS = 500;

/**
 * Whether a record may have been sent again, behind those that follow it: its stream did not confirm it, or who sent it was paused.
 * Then it is the newest and not the furthest of its channel.
 */
export function mayBeRepeat({ record: { id }, storedMs }: LastDelivered): boolean {
  return storedMs - idTimeMs(id) >= REPEATED_AFTER_MS;
}

/**
 * The record of a channel with the furthest place that the deliver stream holds.
 *
 * @param newest record of the channel
 * @param clockToleranceMs by so much may clocks of servers differ
 */
export async function furthestDelivered(
  connection: StreamConnection,
  channel: string,
  newest: LastDelivered,
  clockToleranceMs: number,
): Promise<LastDelivered> {
  if (!mayBeRepeat(newest)) return newest;
  let furthest = newest;
  // What stands behind it was accepted later, and stored after that.
  const timeMs = Math.max(0, idTimeMs(newest.record.id) - clockToleranceMs);
  await readDelivered(connection, { timeMs }, channel, (_subject, stored) => {
    if (comparePositions(stored.record.position, furthest.record.position) > 0) furthest = stored;
  });
  return furthest;
}

/** How far the deliver stream reaches at the moment. */
export function deliverExtent(connection: StreamConnection): Promise<StreamExtent> {
  return extentOf(connection, DELIVER_STREAM);
}

/** Sequence of the deliver stream's newest message, 0 when it never had one. */
export async function deliverStreamEnd(connection: StreamConnection): Promise<number> {
  return (await deliverExtent(connection)).last;
}

/**
 * Reads what the deliver stream holds, from `startAt` to what was its end when the call began, and calls `onRecord`
 * for each in order.
 *
 * @param channel only this channel's messages; without it those of all channels, with the subject they were sent to
 */
export async function readDelivered(
  connection: StreamConnection,
  startAt: StartAt,
  channel: string | undefined,
  onRecord: (subject: string, stored: LastDelivered) => void,
): Promise<void> {
  await readWhole(connection, startAt, channel, onRecord);
}

/** @throws Error when a copy of the stream was read that lacks what its leader has */
async function readWhole(
  connection: StreamConnection,
  startAt: StartAt,
  channel: string | undefined,
  onRecord: (subject: string, stored: LastDelivered) => void,
  afterBatch?: () => Promise<unknown>,
): Promise<void> {
  const end = connection.isClustered ? await endOf(connection, channel) : undefined;
  const subject = channel === undefined ? DELIVER_SUBJECTS : deliverSubject(channel);
  const consumer = await PullConsumer.open(connection, DELIVER_STREAM, startAt, subject);
  let isReached = end === undefined || isBehind(startAt, end);
  const note = (from: string, stored: LastDelivered): void => {
    isReached ||= end !== undefined && stored.sequence >= end.sequence;
    onRecord(from, stored);
  };
  try {
    await readPending(consumer, Infinity, note, afterBatch);
  } finally {
    consumer.close();
  }
  // What was last may have been dropped meanwhile.
  if (isReached || end === undefined) return;
  if ((await storedMessage(connection, DELIVER_STREAM, end.sequence)) !== undefined)
    throw new Error(`${DELIVER_STREAM}: the copy that was read ends before ${end.sequence}`);
}

/** The last record that a reader is to find, and when it was stored. */
async function endOf(
  connection: StreamConnection,
  channel: string | undefined,
): Promise<Omit<LastDelivered, 'record'> | undefined> {
  if (channel !== undefined) return lastDelivered(connection, channel);
  const { first, last, lastTimeNs } = await deliverExtent(connection);
  return first > last ? undefined : { sequence: last, storedMs: Number(BigInt(lastTimeNs) / 1_000_000n) };
}

function isBehind(startAt: StartAt, { sequence, storedMs }: Omit<LastDelivered, 'record'>): boolean {
  if (typeof startAt === 'string') return false;
  return 'sequence' in startAt ? startAt.sequence > sequence : startAt.timeMs > storedMs;
}

/** Some of a channel's records, in the order of the deliver stream. */
export interface DeliveredPage {
  readonly records: readonly StoredDeliverRecord[];
  /** There was nothing of the channel behind them when the page was asked for. */
  readonly isLast: boolean;
}

/**
 * One page of what the deliver stream holds of a channel.
 *
 * @param maxBytes of the records; at least one is read if there is any
 */
export async function readDeliveredPage(
  connection: StreamConnection,
  startAt: StartAt,
  channel: string,
  maxBytes: number,
): Promise<DeliveredPage> {
  const consumer = await PullConsumer.open(connection, DELIVER_STREAM, startAt, deliverSubject(channel), maxBytes);
  const records: StoredDeliverRecord[] = [];
  try {
    const isLast = await readPending(consumer, maxBytes, (_subject, stored) => records.push(stored));
    return { records, isLast };
  } finally {
    consumer.close();
  }
}

/** A record is stored that much before its id says at most: clocks of servers differ. */
const CLOCKS_DIFFER_MS = 60_000;
/** Ids behind which one is not looked for: an id that was promised early may be that late. */
const SEARCH_MS = 60_000;
const SEARCH_PAGE_BYTES = 1_024 * 1_024;
/** Of a channel's records, what is looked through for one: a busy channel's record is found early. */
const SEARCH_BYTES = 32 * SEARCH_PAGE_BYTES;

/**
 * The record of a message that the deliver stream still holds, by its id.
 *
 * @param id ULID, upper case
 * @returns `undefined` when there is none near the time that the id says
 */
export async function findDelivered(
  connection: StreamConnection,
  channel: string,
  id: string,
): Promise<DeliverRecord | undefined> {
  const atMs = idTimeMs(id);
  let startAt: StartAt = { timeMs: Math.max(0, atMs - CLOCKS_DIFFER_MS) };
  for (let bytes = 0; bytes < SEARCH_BYTES; bytes += SEARCH_PAGE_BYTES) {
    const { records, isLast } = await readDeliveredPage(connection, startAt, channel, SEARCH_PAGE_BYTES);
    const found = records.find(({ record }) => record.id === id && record.notice === undefined);
    if (found !== undefined) return found.record;
    const last = records.at(-1);
    if (isLast || last === undefined || idTimeMs(last.record.id) > atMs + SEARCH_MS) return undefined;
    startAt = { sequence: last.sequence + 1 };
  }
  return undefined;
}

/**
 * Reads the newest record of each channel that the deliver stream holds at the moment.
 *
 * @param afterBatch waited for before more is read
 */
export async function readNewestDelivered(
  connection: StreamConnection,
  onRecord: (channel: string, stored: LastDelivered) => void,
  afterBatch: () => Promise<unknown>,
): Promise<void> {
  const note = (subject: string, stored: LastDelivered): void => onRecord(deliveredChannel(subject), stored);
  await readWhole(connection, 'newest of each', undefined, note, afterBatch);
}

const BATCH_MESSAGES = 1_000;
/** What was pending may be dropped by the stream before it is read; after this time without an answer that is looked up. */
const LOOK_AGAIN_MS = 5_000;

/**
 * Reads what a consumer had before it when it was opened. How much that is, the server has said: a server that is slow to
 * answer has not come to the end.
 *
 * @returns whether that was all
 */
async function readPending(
  consumer: PullConsumer,
  maxBytes: number,
  onRecord: (subject: string, stored: LastDelivered) => void,
  afterBatch?: () => Promise<unknown>,
): Promise<boolean> {
  let pending = consumer.pendingAtStart;
  let bytes = 0;
  const lookAgain = every(
    LOOK_AGAIN_MS,
    () => consumer.closeIfDone(),
    // The consumer itself notices when the server is away.
    () => undefined,
  );
  try {
    while (pending > 0 && bytes < maxBytes) {
      const messages = await consumer.next(BATCH_MESSAGES, maxBytes - bytes);
      pending = Math.min(pending - messages.length, messages.at(-1)?.pending ?? 0);
      for (const { subject, sequence, payload, timeMs: storedMs } of messages) {
        bytes += payload.length;
        onRecord(subject, { sequence, record: decodeDeliverRecord(payload), storedMs });
      }
      await afterBatch?.();
    }
    return pending <= 0;
  } finally {
    void lookAgain.stop();
  }
}
