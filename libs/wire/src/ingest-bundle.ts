/**
 * Events of one partition that were accepted in the same moment travel as one message of its ingest stream: storing,
 * confirming and reading a message costs NATS and Node as much as all else that becomes of a small event. The first line
 * is a JSON array with the events' sizes in bytes, then come the events, each as it would stand alone. An event that
 * comes alone has no such line.
 */

/** Most events of one message: what an id has room for (`message-id.ts`), for longer than anyone will run a stream. */
export const MAX_BUNDLED_EVENTS = 64;

const BRACKET = 0x5b;
const NEWLINE = 0x0a;

/** @param events at least one, at most `MAX_BUNDLED_EVENTS` */
export function encodeBundle(events: readonly Buffer[]): Buffer {
  const [only] = events;
  if (only !== undefined && events.length === 1) return only;
  return Buffer.concat([Buffer.from(`[${events.map((event) => event.length).join()}]\n`), ...events]);
}

/**
 * The events of a message of an ingest stream, in their order: views into the payload.
 *
 * @throws Error when the payload begins like a bundle and is none
 */
export function decodeBundle(payload: Uint8Array): Buffer[] {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  if (bytes[0] !== BRACKET) return [bytes];
  let start = bytes.indexOf(NEWLINE) + 1;
  const events = sizesOf(bytes.toString('latin1', 0, start)).map((size) => bytes.subarray(start, (start += size)));
  if (start !== bytes.length) throw new Error('not a bundle of events: its sizes are not those of its events');
  return events;
}

function sizesOf(line: string): number[] {
  const sizes: unknown = JSON.parse(line);
  if (Array.isArray(sizes) && sizes.length > 0 && sizes.length <= MAX_BUNDLED_EVENTS && sizes.every(isSize))
    return sizes;
  throw new Error('not a bundle of events: its first line is not a list of sizes');
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

/** The place of an event in its partition, from the sequence of the stream's message that it came in. */
export function eventSequence(streamSequence: number, index: number): number {
  return streamSequence * MAX_BUNDLED_EVENTS + index;
}

/** The sequence of the stream's message in which the event of a place came. */
export function streamSequenceOf(eventSequence: number): number {
  return Math.floor(eventSequence / MAX_BUNDLED_EVENTS);
}

/** The last place that an event of this message of the stream, or one before it, can have. */
export function lastEventSequence(streamSequence: number): number {
  return eventSequence(streamSequence, MAX_BUNDLED_EVENTS - 1);
}
