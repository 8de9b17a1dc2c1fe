/**
 * Finds the WebSocket frames in what a server sent, by jumping from header to header. Nothing is decoded or copied,
 * except the one frame that lies across two reads. This is what lets one process of Node read several times what a
 * full WebSocket client would.
 *
 * Servers do not mask, and none of those measured here fragments a message this small: both are errors.
 */

/** Longest frame accepted; far above anything a benchmark run sends. */
const MAX_FRAME_BYTES = 1 << 20;

export interface FrameHandler {
  /** One whole frame; its payload is `buffer[start, end)`, valid only during the call. */
  frame(opcode: number, buffer: Buffer, start: number, end: number): void;
}

/** Position of the payload and of the end of the frame at `at`; `undefined` while the header is incomplete. */
function measure(buffer: Buffer, at: number, limit: number): { payload: number; end: number } | undefined {
  if (limit - at < 2) return undefined;
  const second = buffer[at + 1] ?? 0;
  if (((buffer[at] ?? 0) & 0x80) === 0) throw new Error('the server sent a fragmented message');
  if (second >= 128) throw new Error('the server sent a masked frame');
  if (second < 126) return { payload: at + 2, end: at + 2 + second };
  if (second === 126) {
    if (limit - at < 4) return undefined;
    return { payload: at + 4, end: at + 4 + buffer.readUInt16BE(at + 2) };
  }
  if (limit - at < 10) return undefined;
  const length = Number(buffer.readBigUInt64BE(at + 2));
  if (length > MAX_FRAME_BYTES) throw new Error(`the server sent a frame of ${length} bytes`);
  return { payload: at + 10, end: at + 10 + length };
}

export class FrameWalker {
  /** The beginning of a frame whose rest has not arrived; `restBytes` of it are in use. */
  private rest: Buffer | undefined;
  private restBytes = 0;

  constructor(private readonly handler: FrameHandler) {}

  /** Takes `buffer[from, to)` as read from the socket and hands on every frame that is complete by now. */
  push(buffer: Buffer, from: number, to: number): void {
    let at = this.restBytes > 0 ? this.finishRest(buffer, from, to) : from;
    while (at < to) {
      // The frame nearly always seen: unmasked, final, 126–65,535 bytes, whole. Everything else takes the slow way.
      if (to - at >= 4 && buffer[at + 1] === 126 && (buffer[at] ?? 0) >= 0x80) {
        const end = at + 4 + (((buffer[at + 2] ?? 0) << 8) | (buffer[at + 3] ?? 0));
        if (end <= to) {
          this.handler.frame((buffer[at] ?? 0) & 15, buffer, at + 4, end);
          at = end;
          continue;
        }
      }
      const frame = measure(buffer, at, to);
      if (!frame || frame.end > to) {
        this.keep(buffer, at, to);
        return;
      }
      this.handler.frame((buffer[at] ?? 0) & 15, buffer, frame.payload, frame.end);
      at = frame.end;
    }
  }

  private keep(buffer: Buffer, from: number, to: number): void {
    const needed = this.restBytes + (to - from);
    if (!this.rest || this.rest.length < needed) {
      const larger = Buffer.allocUnsafe(Math.max(1024, needed * 2));
      this.rest?.copy(larger, 0, 0, this.restBytes);
      this.rest = larger;
    }
    buffer.copy(this.rest, this.restBytes, from, to);
    this.restBytes = needed;
  }

  /** Completes the kept frame from the front of a new read; returns where the next frame begins. */
  private finishRest(buffer: Buffer, from: number, to: number): number {
    let at = from;
    while (at < to) {
      const frame = this.rest && measure(this.rest, 0, this.restBytes);
      // A header is at most ten bytes: while it is incomplete, take a byte at a time.
      const wanted = frame ? frame.end - this.restBytes : 1;
      const taken = Math.min(wanted, to - at);
      this.keep(buffer, at, at + taken);
      at += taken;
      const complete = this.rest && measure(this.rest, 0, this.restBytes);
      if (this.rest && complete && complete.end === this.restBytes) {
        this.restBytes = 0;
        this.handler.frame((this.rest[0] ?? 0) & 15, this.rest, complete.payload, complete.end);
        return at;
      }
    }
    return at;
  }
}

/**
 * A masked client frame holding `text`. The mask is zero: it exists to protect proxies from scripts in a browser,
 * and there is neither here.
 */
export function clientFrame(opcode: number, text: string): Buffer {
  const payload = Buffer.from(text);
  const long = payload.length > 125;
  const header = Buffer.alloc(long ? 8 : 6);
  header[0] = 0x80 | opcode;
  header[1] = 0x80 | (long ? 126 : payload.length);
  if (long) header.writeUInt16BE(payload.length, 2);
  return Buffer.concat([header, payload]);
}
