/**
 * What travels from the sequencer to the gateways: one line that a gateway acts on, then the exact frame for the
 * client, which a gateway never parses. The line holds the message's position, the position of the channel's previous
 * message (so that a gateway notices a missing link), the message id, and whom to leave out.
 */

/**
 * A message's place in its partition. `epoch` counts the lives of the ingest stream (it grows when the stream was
 * wiped or lost its tail), `sequence` is the place in that life.
 */
export interface Position {
  readonly epoch: number;
  readonly sequence: number;
}

/** Negative, zero or positive as `a` stands before, at or after `b`. */
export function comparePositions(a: Position, b: Position): number {
  return a.epoch - b.epoch || a.sequence - b.sequence;
}

export interface DeliverRecord {
  readonly position: Position;
  /** Position of the channel's message before this one; absent when none was known to be deliverable any more. */
  readonly previous?: Position;
  readonly id: string;
  /** Connection that published the message and asked for no copy. */
  readonly exceptConnectionId?: string;
  /** The client frame, UTF-8 JSON. */
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

export function encodeDeliverRecord(record: DeliverRecord): Buffer {
  const line = [
    positionText(record.position),
    positionText(record.previous),
    record.id,
    record.exceptConnectionId ?? NOTHING,
  ].join(SPACE);
  return Buffer.concat([Buffer.from(`${line}\n`, 'latin1'), record.frame]);
}

/** @throws Error when the payload was not written by `encodeDeliverRecord` */
export function decodeDeliverRecord(payload: Uint8Array): DeliverRecord {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  const newline = bytes.indexOf(0x0a);
  const [position, previous, id, except] = bytes.toString('latin1', 0, Math.max(newline, 0)).split(SPACE);
  if (position === undefined || previous === undefined || id === undefined || except === undefined) {
    throw new Error('not a deliver record');
  }
  return {
    position: parsePosition(position),
    previous: previous === NOTHING ? undefined : parsePosition(previous),
    id,
    exceptConnectionId: except === NOTHING ? undefined : except,
    frame: bytes.subarray(newline + 1),
  };
}
