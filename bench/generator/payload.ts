/**
 * The message every scenario publishes: 200 bytes of JSON whose numbers have a fixed width, so that the generator can
 * write and read them in place, without building or parsing any JSON.
 *
 *   {"t":1000000123456789,"s":1000000042,"c":1000003,"p":"abc…"}
 *
 * `t` is the moment of publishing in microseconds, `s` the number of the message on its channel, `c` the channel. Each
 * carries an offset that keeps its first digit from being a zero, which JSON does not allow.
 */
export const PAYLOAD_BYTES = 200;

const TIME_OFFSET = 1e15;
const TIME_DIGITS = 16;
const TIME_AT = 5;
const SEQUENCE_OFFSET = 1e9;
const SEQUENCE_DIGITS = 10;
const SEQUENCE_AT = TIME_AT + TIME_DIGITS + 5;
const CHANNEL_OFFSET = 1e6;
const CHANNEL_DIGITS = 7;
const CHANNEL_AT = SEQUENCE_AT + SEQUENCE_DIGITS + 5;

const PAYLOAD_START = '{"t":1';
const ALPHABET = 'abcdefghijklmnopqrstuvwxyz';

/** Microseconds on the generator's monotonic clock, of which publishing and receiving share one. */
export function nowMicros(): number {
  return Math.round(performance.now() * 1000);
}

/** The payload of channel number `channel`, with time and sequence still zero. */
export function payloadTemplate(channel: number): string {
  const head = `{"t":${TIME_OFFSET},"s":${SEQUENCE_OFFSET},"c":${CHANNEL_OFFSET + channel},"p":"`;
  const filler = PAYLOAD_BYTES - head.length - 2;
  return `${head}${ALPHABET.repeat(Math.ceil(filler / ALPHABET.length)).slice(0, filler)}"}`;
}

function writeDigits(buffer: Buffer, at: number, digits: number, value: number): void {
  let rest = value;
  for (let i = at + digits - 1; i >= at; i--) {
    const next = Math.floor(rest / 10);
    buffer[i] = 48 + (rest - next * 10);
    rest = next;
  }
}

function readDigits(buffer: Buffer, at: number, digits: number): number {
  let value = 0;
  for (let i = at; i < at + digits; i++) value = value * 10 + ((buffer[i] ?? 0) - 48);
  return value;
}

/** Writes time and sequence into the payload that begins at `payloadAt`. */
export function stampPayload(buffer: Buffer, payloadAt: number, micros: number, sequence: number): void {
  writeDigits(buffer, payloadAt + TIME_AT, TIME_DIGITS, TIME_OFFSET + micros);
  writeDigits(buffer, payloadAt + SEQUENCE_AT, SEQUENCE_DIGITS, SEQUENCE_OFFSET + sequence);
}

export function readMicros(buffer: Buffer, payloadAt: number): number {
  return readDigits(buffer, payloadAt + TIME_AT, TIME_DIGITS) - TIME_OFFSET;
}

export function readSequence(buffer: Buffer, payloadAt: number): number {
  // The leading digit is the offset's.
  return readDigits(buffer, payloadAt + SEQUENCE_AT + 1, SEQUENCE_DIGITS - 1);
}

export function readChannel(buffer: Buffer, payloadAt: number): number {
  return readDigits(buffer, payloadAt + CHANNEL_AT + 1, CHANNEL_DIGITS - 1);
}

/** Whether a payload begins at `at`. */
export function isPayloadAt(buffer: Buffer, at: number): boolean {
  return buffer[at] === 0x7b && buffer[at + 1] === 0x22 && buffer[at + 2] === 0x74 && buffer[at + 3] === 0x22;
}

/** Where the payload begins in `buffer[start, end)`; -1 when there is none. */
export function findPayload(buffer: Buffer, start: number, end: number): number {
  const at = buffer.subarray(start, end).indexOf(PAYLOAD_START);
  return at < 0 ? -1 : start + at;
}
