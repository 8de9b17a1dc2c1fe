import {
  decodeDeliverRecord,
  DELIVER_STREAM,
  DELIVER_SUBJECTS,
  deliveredChannel,
  DeliverRecord,
  deliverSubject,
} from '@hearth/wire';
import { idTimeMs } from '@hearth/protocol';
import { every } from '@hearth/timing';
import { StreamConnection } from './connection';
import { PullConsumer, StartAt } from './pull-consumer';
import { extentOf, StreamExtent } from './stream-position';

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
  onRecord: (subject: string, stored: StoredDeliverRecord) => void,
): Promise<void> {
  const subject = channel === undefined ? DELIVER_SUBJECTS : deliverSubject(channel);
  const consumer = await PullConsumer.open(connection, DELIVER_STREAM, startAt, subject);
  try {
    await readPending(consumer, Infinity, onRecord);
  } finally {
    consumer.close();
  }
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
  onRecord: (channel: string, stored: StoredDeliverRecord) => void,
  afterBatch: () => Promise<unknown>,
): Promise<void> {
  const consumer = await PullConsumer.open(connection, DELIVER_STREAM, 'newest of each', DELIVER_SUBJECTS);
  try {
    await readPending(consumer, Infinity, (subject, stored) => onRecord(deliveredChannel(subject), stored), afterBatch);
  } finally {
    consumer.close();
  }
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
  onRecord: (subject: string, stored: StoredDeliverRecord) => void,
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
      for (const { subject, sequence, payload } of messages) {
        bytes += payload.length;
        onRecord(subject, { sequence, record: decodeDeliverRecord(payload) });
      }
      await afterBatch?.();
    }
    return pending <= 0;
  } finally {
    void lookAgain.stop();
  }
}
