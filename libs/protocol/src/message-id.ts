import { decodeTime, encodeTime } from 'ulid';

/**
 * Message ids are ULIDs that are a function of the event's place in its ingest stream: the time part is the running
 * maximum of the stream's timestamps, the tail is the event's sequence (`eventSequence`) and the partition. No counter
 * and no lock hands them out, and an event that is processed twice gets the same id, which makes every later step
 * idempotent.
 */

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const ULID = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/i;

/** Characters of the tail that hold the partition (15 bits) and the sequence (65 bits, of which 53 can be used). */
const PARTITION_CHARACTERS = 3;
const SEQUENCE_CHARACTERS = 13;

/** Most partitions whose number fits into an id. */
export const MAX_PARTITIONS = 32 ** PARTITION_CHARACTERS;

function base32(value: number, characters: number): string {
  let text = '';
  let rest = value;
  for (let i = 0; i < characters; i++) {
    text = ALPHABET.charAt(rest % 32) + text;
    rest = Math.floor(rest / 32);
  }
  return text;
}

let lastTimeMs = -1;
let lastTimeText = '';

function timeText(timeMs: number): string {
  if (timeMs !== lastTimeMs) {
    lastTimeText = encodeTime(timeMs, 10);
    lastTimeMs = timeMs;
  }
  return lastTimeText;
}

/**
 * The id of a sequenced message.
 *
 * @param timeMs running maximum of the stream's timestamps, ms since 1970
 * @param sequence the event's, `eventSequence`
 * @returns 26 characters; greater than every id of the partition with a smaller time, or the same time and a smaller
 *   sequence
 */
export function messageId(timeMs: number, sequence: number, partition: number): string {
  return timeText(timeMs) + base32(sequence, SEQUENCE_CHARACTERS) + base32(partition, PARTITION_CHARACTERS);
}

/** Whether the text is a ULID, in either case. */
export function isUlid(text: string): boolean {
  return ULID.test(text);
}

/** Milliseconds since 1970 of an id's time part. */
export const idTimeMs: (id: string) => number = decodeTime;

/** The last instant that an id can carry, ms since 1970: in the year 10889. */
export const LATEST_ID_MS = 2 ** 48 - 1;

/**
 * The smallest id of a millisecond: every id of that moment or later is greater or equal (client-http-api §3.1).
 *
 * @throws RangeError for what is no instant: 0 in its place would mean "everything"
 */
export function firstIdOf(timeMs: number): string {
  if (!Number.isFinite(timeMs)) throw new RangeError(`${timeMs} is no instant`);
  return timeText(Math.min(Math.max(0, Math.floor(timeMs)), LATEST_ID_MS)) + '0'.repeat(16);
}

/** The partition in the tail of an upper-case id of ours. */
export function partitionOfId(id: string): number {
  return base32Value(id.slice(-PARTITION_CHARACTERS));
}

/**
 * The event's sequence in the tail of an upper-case id of ours (`messageId`); any other ULID gives any number.
 *
 * @returns `undefined` when it can be none
 */
export function sequenceOfId(id: string): number | undefined {
  const sequence = base32Value(id.slice(-PARTITION_CHARACTERS - SEQUENCE_CHARACTERS, -PARTITION_CHARACTERS));
  return Number.isSafeInteger(sequence) ? sequence : undefined;
}

function base32Value(text: string): number {
  let value = 0;
  for (const character of text) value = value * 32 + ALPHABET.indexOf(character);
  return value;
}

/** Characters at the beginning of the tail that no sequence reaches in 17 years of 1,000 stream messages a second. */
const INDEX_CHARACTERS = 4;

/**
 * A further id for what one event causes more than one of (backend events): a ULID of its own, the same at every
 * repeat. Index 0 gives the id itself.
 *
 * @param id from `messageId`
 * @param index below 32^4
 */
export function derivedId(id: string, index: number): string {
  return id.slice(0, 10) + base32(index, INDEX_CHARACTERS) + id.slice(10 + INDEX_CHARACTERS);
}
