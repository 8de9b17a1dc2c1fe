import type { Position } from '@hearth/wire';
import { type MsgRequest, NatsError, type StoredMsg } from 'nats';
import type { StreamConnection } from './connection';
import { PullConsumer } from './pull-consumer';
import { createdOf } from './stream-creation';

/** How far a stream was read, with what is needed to notice that it is no longer the one it was read from. */
export interface StreamPosition extends Position {
  /** Time of the message at `sequence`, ns since 1970; empty when none was read in this epoch. */
  readonly timeNs: string;
  /** When the stream was created (`createdOf`); empty before the first read. */
  readonly streamCreated: string;
}

/** What a stream holds at the moment. */
export interface StreamExtent {
  /** When it was created (`createdOf`). */
  readonly created: string;
  /** Sequence of its oldest message, or of the next one when it is empty. */
  readonly first: number;
  /** Sequence of the newest message that it ever had, 0 when it never had one. */
  readonly last: number;
  /** Time of that message, ns since 1970. */
  readonly lastTimeNs: string;
  /** Share of the bytes it may hold that is taken, 0 to 1; 0 without a limit. */
  readonly fullness: number;
  /** When the server told this, by its own clock, ms since 1970; before 2.10 servers do not say. */
  readonly toldMs: number | undefined;
}

/** Asks for what a stream holds; it must exist. */
export async function extentOf(connection: StreamConnection, stream: string): Promise<StreamExtent> {
  const info = await (await connection.manager()).streams.info(stream);
  const { state, config, ts } = info;
  return {
    created: createdOf(info),
    // Servers differ in what they call the first of an empty stream.
    first: state.messages === 0 ? state.last_seq + 1 : state.first_seq,
    last: state.last_seq,
    lastTimeNs: nanosecondsOf(state.last_ts),
    fullness: config.max_bytes > 0 ? state.bytes / config.max_bytes : 0,
    toldMs: ts === undefined ? undefined : Date.parse(ts),
  };
}

/**
 * The time up to which a stream has been processed: what it took before, by its own clock, lies before the position, and
 * what is still to come gets a later time. A stream whose last message is the one at the position is processed up to
 * when that was told; otherwise nothing is proved but the position itself.
 *
 * @param last up to which everything has been processed
 * @param nowMs taken before the server was asked, for one that does not tell its time; ms since 1970
 */
export function processedUntilMs(last: StreamPosition, extent: StreamExtent, nowMs: number): number {
  const { sequence, timeNs } = last;
  const { lastTimeNs, toldMs = nowMs } = extent;
  const isAtEnd = sequence === extent.last && (sequence === 0 || timeNs === lastTimeNs);
  const timeMs = timeNs === '' ? 0 : Math.floor(Number(timeNs) / 1_000_000);
  return isAtEnd ? Math.max(timeMs, toldMs) : timeMs;
}

/** Whether the stream still holds the message that was read at a position. */
export async function holds(connection: StreamConnection, stream: string, position: StreamPosition): Promise<boolean> {
  return (await storedTimeNs(connection, stream, position.sequence)) === position.timeNs;
}

/** Where to go on reading. */
export interface StreamStart {
  /** Where reading begins behind: in a new epoch before everything that is to be read in it, so that it can be saved at once. */
  readonly position: StreamPosition;
  readonly startAt: { readonly sequence: number };
  /** Why a new epoch began; absent when the stream continues. */
  readonly epochReason?: string;
}

/**
 * Compares a stream with the position it was read to.
 *
 * A stream that was wiped or re-created, or that lost its tail in a power failure, gives out sequences again which the
 * reader has already passed. That must be a new epoch, never "already read". What begins it has to be saved before anything
 * of it is worked on: whoever compares later finds a longer stream, and would leave out what came meanwhile.
 */
export async function findStart(
  connection: StreamConnection,
  stream: string,
  last: StreamPosition,
): Promise<StreamStart> {
  const { created, first, last: end } = await extentOf(connection, stream);
  const begin = (position: StreamPosition, epochReason?: string): StreamStart => ({
    position,
    startAt: { sequence: position.sequence + 1 },
    ...(epochReason === undefined ? {} : { epochReason }),
  });
  const newEpoch = (sequence: number, epochReason: string): StreamStart =>
    begin({ epoch: last.epoch + 1, sequence, timeNs: '', streamCreated: created }, epochReason);

  if (last.streamCreated === '') return begin({ ...last, streamCreated: created });
  const timeNs = last.timeNs === '' ? undefined : await storedTimeNs(connection, stream, last.sequence);
  // No other stream has this message at this place, whatever is told of its creation.
  if (timeNs === last.timeNs) return begin(last);
  if (last.streamCreated !== created) return newEpoch(first - 1, 'the stream was created anew');
  const lostTail = end < last.sequence;
  if (!lostTail && timeNs === undefined) return begin(last);
  // What remains had been read; what came since is not older than what was read last.
  const sequence = last.timeNs === '' ? end : await endBefore(connection, stream, last.timeNs);
  return newEpoch(sequence, `the stream lost its tail${lostTail ? '' : ' and has been written to since'}`);
}

/** The place behind which a reader begins that wants what was stored at a time or later, but for a millisecond; ns since 1970. */
async function endBefore(connection: StreamConnection, stream: string, timeNs: string): Promise<number> {
  const consumer = await PullConsumer.open(connection, stream, { timeMs: millisecondBehind(timeNs) });
  consumer.close();
  return consumer.sequenceAtStart;
}

/**
 * The first whole millisecond behind a time, ms since 1970. A double would round the time to a quarter of a microsecond, and
 * what was stored at the very beginning of a millisecond would be read again.
 *
 * @param timeNs ns since 1970
 */
export function millisecondBehind(timeNs: string): number {
  return Number(BigInt(timeNs) / 1_000_000n) + 1;
}

/** Time of a message in ns since 1970, `undefined` when the stream no longer holds it. */
async function storedTimeNs(
  connection: StreamConnection,
  stream: string,
  sequence: number,
): Promise<string | undefined> {
  const message = await storedMessage(connection, stream, sequence);
  return message === undefined ? undefined : nanosecondsOf(message.timestamp);
}

/** The message at a place, `undefined` when the stream no longer holds it. */
export function storedMessage(
  connection: StreamConnection,
  stream: string,
  sequence: number,
): Promise<StoredMsg | undefined> {
  return ofLeader(connection, stream, { seq: sequence });
}

/** The newest message with a subject, `undefined` when the stream holds none. */
export function storedLast(
  connection: StreamConnection,
  stream: string,
  subject: string,
): Promise<StoredMsg | undefined> {
  return ofLeader(connection, stream, { last_by_subj: subject });
}

async function ofLeader(
  connection: StreamConnection,
  stream: string,
  query: MsgRequest,
): Promise<StoredMsg | undefined> {
  const manager = await connection.manager();
  try {
    return await manager.streams.getMessage(stream, query);
  } catch (error) {
    if (error instanceof NatsError && error.api_error?.code === 404) return undefined;
    throw error;
  }
}

/** RFC 3339 with up to nine fractional digits as decimal nanoseconds, which `Date` cannot hold. */
function nanosecondsOf(timestamp: string): string {
  const match = /^(.+?)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(timestamp);
  if (match === null) throw new Error(`not a timestamp: ${timestamp}`);
  const seconds = Date.parse(`${match[1]}${match[3]}`) / 1_000;
  return `${seconds}${(match[2] ?? '').padEnd(9, '0')}`;
}
