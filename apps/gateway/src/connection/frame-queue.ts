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
const LONG_CHARACTERS = 1_048_576;
/** Where reading cannot be stopped (long-polling), this ends a client that keeps sending. */
const TOO_LONG_CHARACTERS = 4 * 1_048_576;
/** What a frame takes beside its text, however short that is. */
const FRAME_CHARACTERS = 128;
/** So many places of frames that were taken are cut off together: each time moves all that wait. */
const CUT_OFF_AT_ONCE = 1_024;

/** Frames of one connection that arrived while an earlier one was still being processed. */
export class FrameQueue {
  private readonly frames: (WaitingFrame | undefined)[] = [];
  /** Frames from here on have not been taken. */
  private head = 0;
  private characters = 0;

  get isEmpty(): boolean {
    return this.head === this.frames.length;
  }

  get isLong(): boolean {
    return this.frames.length - this.head >= LONG_FRAMES || this.characters >= LONG_CHARACTERS;
  }

  get isTooLong(): boolean {
    // The first one is as long as it may be.
    return this.characters - (this.frames[this.head]?.characters ?? 0) > TOO_LONG_CHARACTERS;
  }

  push(frame: WaitingFrame): void {
    this.frames.push(frame);
    this.characters += FRAME_CHARACTERS + frame.characters;
  }

  shift(): WaitingFrame | undefined {
    const frame = this.frames[this.head];
    if (frame === undefined) return undefined;
    this.characters -= FRAME_CHARACTERS + frame.characters;
    // Its text shall not wait with its place.
    this.frames[this.head] = undefined;
    if (++this.head === this.frames.length || this.head >= CUT_OFF_AT_ONCE) {
      this.frames.splice(0, this.head);
      this.head = 0;
    }
    return frame;
  }
}
