import { Held } from '@hearth/runtime';
import { socketIoPacket } from '../transport/socket-io-packets';

/** First byte of a WebSocket frame: a whole, uncompressed text message (RFC 6455 §5.2). */
const TEXT_MESSAGE = 0x81;
const LONGEST_7_BIT = 125;
const LONGEST_16_BIT = 0xffff;

function headerBytes(payloadBytes: number): number {
  if (payloadBytes <= LONGEST_7_BIT) return 2;
  return payloadBytes <= LONGEST_16_BIT ? 4 : 10;
}

/** Writes the header of an unmasked server frame; returns the offset after it. */
function writeHeader(target: Buffer, offset: number, payloadBytes: number): number {
  target[offset] = TEXT_MESSAGE;
  if (payloadBytes <= LONGEST_7_BIT) {
    target[offset + 1] = payloadBytes;
    return offset + 2;
  }
  if (payloadBytes <= LONGEST_16_BIT) {
    target[offset + 1] = 126;
    return target.writeUInt16BE(payloadBytes, offset + 2);
  }
  target[offset + 1] = 127;
  target.writeUInt32BE(Math.floor(payloadBytes / 2 ** 32), offset + 2);
  return target.writeUInt32BE(payloadBytes >>> 0, offset + 6);
}

/** One text message as the bytes that go onto a native socket. */
export function webSocketFrame(text: string): Buffer {
  const payloadBytes = Buffer.byteLength(text);
  const frame = Buffer.allocUnsafe(headerBytes(payloadBytes) + payloadBytes);
  frame.write(text, writeHeader(frame, 0, payloadBytes));
  return frame;
}

/** Several messages in one buffer, and where each of them ends. */
export class EncodedFrames {
  /** What of them waits for readers. */
  readonly held: Held;
  private own: Buffer | undefined;

  constructor(
    readonly bytes: Buffer,
    readonly ends: readonly number[],
  ) {
    this.held = new Held(bytes.length);
  }

  /** The bytes for those who must wait for them. */
  get lasting(): Buffer {
    return (this.own ??= lasting(this.bytes));
  }
}

/** Bytes that may wait: a small buffer is part of a larger one, all of which would be kept for it. */
export function lasting(bytes: Buffer): Buffer {
  if (bytes.buffer.byteLength <= 2 * bytes.length) return bytes;
  const own = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(own);
  return own;
}

function webSocketFrames(payloads: readonly Uint8Array[]): EncodedFrames {
  let total = 0;
  for (const payload of payloads) total += headerBytes(payload.length) + payload.length;
  const bytes = Buffer.allocUnsafe(total);
  const ends: number[] = [];
  let offset = 0;
  for (const payload of payloads) {
    offset = writeHeader(bytes, offset, payload.length);
    bytes.set(payload, offset);
    offset += payload.length;
    ends.push(offset);
  }
  return new EncodedFrames(bytes, ends);
}

/**
 * Calls `write` with the pieces of a buffer that remain when some of its frames are left out: neighbours stay in one
 * piece, and nothing is copied.
 *
 * @param leaveOut ascending
 */
export function writeWithout(frames: EncodedFrames, leaveOut: readonly number[], write: (piece: Buffer) => void): void {
  let from = 0;
  for (const index of leaveOut) {
    const start = index === 0 ? 0 : (frames.ends[index - 1] ?? 0);
    if (start > from) write(frames.bytes.subarray(from, start));
    from = frames.ends[index] ?? start;
  }
  if (from < frames.bytes.length) write(frames.bytes.subarray(from));
}

/**
 * The frames of one channel that were gathered during one turn of the event loop. Each transport's form is made once,
 * when the first subscriber of that transport needs it, and then written to all of them: what a subscriber costs is
 * one write, not an encoding, however many frames the turn brought.
 */
export class FrameBatch {
  private native: EncodedFrames | undefined;
  private texts: string[] | undefined;
  private framed: EncodedFrames | undefined;
  private keptBack: Held | undefined;

  /** @param payloads client frames, UTF-8 JSON */
  constructor(private readonly payloads: readonly Uint8Array[]) {}

  get length(): number {
    return this.payloads.length;
  }

  /** Bytes of the frames themselves. */
  get payloadBytes(): number {
    return this.payloads.reduce((sum, { length }) => sum + length, 0);
  }

  /** While it is kept back for readers, whatever they speak. */
  get held(): Held {
    return (this.keptBack ??= new Held(this.payloadBytes));
  }

  /** For native sockets. */
  get webSocket(): EncodedFrames {
    return (this.native ??= webSocketFrames(this.payloads));
  }

  /** For Socket.IO clients: one packet per frame, without the Engine.IO type. */
  get packets(): readonly string[] {
    return (this.texts ??= this.payloads.map((payload) =>
      socketIoPacket(Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString('utf8')),
    ));
  }

  /** The same packets as WebSocket frames (`4` is Engine.IO's type of a message). */
  get packetFrames(): EncodedFrames {
    return (this.framed ??= webSocketFrames(this.packets.map((packet) => Buffer.from(`4${packet}`))));
  }
}
