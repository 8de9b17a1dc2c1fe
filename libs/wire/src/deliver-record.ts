import { decodeToken, encodeToken } from './subjects';

/**
 * What travels from the sequencer to the gateways: one line that a gateway acts on, then the exact frame for the
 * client, which a gateway never parses. The line holds the message's position, the position of the channel's previous
 * message (so that a gateway notices a missing link), the message id, and whom to leave out. What is not a message or a
 * reaction has a notice besides.
 */

/**
 * A message's place in its partition. `epoch` counts the lives of the ingest stream (it grows when the stream was
 * wiped or lost its tail), `sequence` is the place in that life (`eventSequence`).
 */
export interface Position {
  readonly epoch: number;
  readonly sequence: number;
}

/** Negative, zero or positive as `a` stands before, at or after `b`. */
export function comparePositions(a: Position, b: Position): number {
  return a.epoch - b.epoch || a.sequence - b.sequence;
}

/** Sequences are below it. */
const EPOCH_STEP = 2n ** 53n;

/** A place as a decimal number that rises within a channel: for clients, who compare nothing else. */
export function placeNumber({ epoch, sequence }: Position): string {
  return (BigInt(epoch) * EPOCH_STEP + BigInt(sequence)).toString();
}

/** A connection has entered a presence channel. */
export interface JoinedNotice {
  readonly connectionId: string;
  /** As in its `join`. */
  readonly attempt: number;
  /** JSON text of the list. */
  readonly members: Buffer;
}

/** What a record is when it is neither a message nor a reaction: a resuming client does not get it again. */
export type DeliverNotice =
  /**
   * A change of a presence channel's members. With `joined`, a connection has entered: at this place its subscription
   * begins, with this member list (JSON text).
   */
  | { readonly kind: 'presence'; readonly joined?: JoinedNotice }
  /** A storage entry has changed: for subscribers that may observe the key. */
  | { readonly kind: 'storage'; readonly key: string };

export interface DeliverRecord {
  readonly position: Position;
  /** Position of the channel's message before this one; absent when none was known to be deliverable any more. */
  readonly previous?: Position;
  readonly id: string;
  /** Connection that published the message and asked for no copy. */
  readonly exceptConnectionId?: string;
  /** Absent for messages and reactions. */
  readonly notice?: DeliverNotice;
  /** The client frame, UTF-8 JSON; empty when there is nothing to tell the subscribers. */
  readonly frame: Buffer;
}

const SPACE = ' ';
const NOTHING = '-';

function positionText(position: Position | undefined): string {
  return position === undefined ? NOTHING : `${position.epoch}.${position.sequence}`;
}

function parsePosition(text: string): Position {
  const dot = text.indexOf('.');
  const position = { epoch: Number(text.slice(0, dot)), sequence: Number(text.slice(dot + 1)) };
  if (dot < 1 || !Number.isSafeInteger(position.epoch) || !Number.isSafeInteger(position.sequence)) {
    throw new Error(`not a position: ${text}`);
  }
  return position;
}

/** Fifth word of the line: `P` presence, `J:<connection>:<bytes of members>:<attempt>` with an entering one, `S:<key>` storage. */
function noticeText(notice: DeliverNotice): string {
  if (notice.kind === 'storage') return `S:${encodeToken(notice.key)}`;
  const { joined } = notice;
  return joined === undefined ? 'P' : `J:${joined.connectionId}:${joined.members.length}:${joined.attempt}`;
}

export function encodeDeliverRecord(record: DeliverRecord): Buffer {
  const { notice, frame } = record;
  const words = [
    positionText(record.position),
    positionText(record.previous),
    record.id,
    record.exceptConnectionId ?? NOTHING,
  ];
  if (notice === undefined) return Buffer.concat([Buffer.from(`${words.join(SPACE)}\n`, 'latin1'), frame]);
  const line = Buffer.from(`${words.join(SPACE)} ${noticeText(notice)}\n`, 'latin1');
  const members = notice.kind === 'presence' ? notice.joined?.members : undefined;
  return Buffer.concat(members === undefined ? [line, frame] : [line, members, frame]);
}

/** @throws Error when the payload was not written by `encodeDeliverRecord` */
export function decodeDeliverRecord(payload: Uint8Array): DeliverRecord {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  const newline = bytes.indexOf(0x0a);
  const [position, previous, id, except, word] = bytes.toString('latin1', 0, Math.max(newline, 0)).split(SPACE);
  if (position === undefined || previous === undefined || id === undefined || except === undefined) {
    throw new Error('not a deliver record');
  }
  const rest = bytes.subarray(newline + 1);
  const { notice, frame } = word === undefined ? { notice: undefined, frame: rest } : parseNotice(word, rest);
  return {
    position: parsePosition(position),
    previous: previous === NOTHING ? undefined : parsePosition(previous),
    id,
    exceptConnectionId: except === NOTHING ? undefined : except,
    notice,
    frame,
  };
}

function parseNotice(word: string, rest: Buffer): { notice: DeliverNotice; frame: Buffer } {
  const [letter, argument = '', bytes, attempt] = word.split(':');
  if (letter === 'S') return { notice: { kind: 'storage', key: decodeToken(argument) }, frame: rest };
  if (letter === 'P') return { notice: { kind: 'presence' }, frame: rest };
  const end = Number(bytes);
  if (letter !== 'J' || !Number.isSafeInteger(end) || end > rest.length || !Number.isSafeInteger(Number(attempt)))
    throw new Error(`not a notice: ${word}`);
  const joined = { connectionId: argument, attempt: Number(attempt), members: rest.subarray(0, end) };
  return { notice: { kind: 'presence', joined }, frame: rest.subarray(end) };
}
