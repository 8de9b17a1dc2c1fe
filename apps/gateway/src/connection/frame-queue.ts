import type { ClientFrame } from '@hearth/protocol';

/** A frame of a client that waits for the one before it. */
export interface WaitingFrame {
  /** As it came; `undefined` when it was not UTF-8. */
  readonly text: string | undefined;
  /** What the client asks for, or why that cannot be told; absent when nobody has looked yet. */
  readonly request: ClientFrame | Error | undefined;
  readonly answerId: number | undefined;
  /** Length of its text. */
  readonly characters: number;
  /** When it came, by `performance.now()`. */
  readonly sinceMs: number;
}

/** While so much waits, nothing more is read from the client. */
const LONG_FRAMES = 64;
/** Where reading cannot be stopped (long-polling), this ends a client that keeps sending. */
const TOO_LONG_CHARACTERS = 4 * 1_048_576;

/** Frames of one connection that arrived while an earlier one was still being processed. */
export class FrameQueue {
  private readonly frames: WaitingFrame[] = [];
  private characters = 0;

  get isEmpty(): boolean {
    return this.frames.length === 0;
  }

  get isLong(): boolean {
    return this.frames.length >= LONG_FRAMES;
  }

  get isTooLong(): boolean {
    return this.characters > TOO_LONG_CHARACTERS;
  }

  push(frame: WaitingFrame): void {
    this.frames.push(frame);
    this.characters += frame.characters;
  }

  shift(): WaitingFrame | undefined {
    const frame = this.frames.shift();
    this.characters -= frame?.characters ?? 0;
    return frame;
  }
}
