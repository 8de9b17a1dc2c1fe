import { TurnTime } from '@hearth/timing';
import type { ClientSocket } from '../frames/client-socket';
import { loopTurn } from '../limits/loop-turn';
import { FrameQueue, type WaitingFrame } from './frame-queue';

/** Frames of one connection in one turn of the event loop; then all others have theirs (limits §5). */
const AT_ONCE = 32;
/** Of frames of all connections in one turn, and the one that goes beyond: regular expressions and JSON may cost milliseconds. */
const TURN_MS = 4;
/** Then it is looked again: no timer holds more than 24 days. */
const LONGEST_WAIT_MS = 60_000;

/** Whose frames are processed. */
export interface TurnTaker {
  readonly hasEnded: boolean;
  readonly socket: ClientSocket;
  /** How long it shall not be read; 0 for no time, Infinity when that would be of no use. */
  readonly pauseMs: number;
  /** How long nothing of it shall be processed, because it has kept the process busy. */
  readonly restMs: number;
  /** Does what a frame asks for; gives a promise, which never rejects, when that takes more than this moment. */
  perform(frame: WaitingFrame): Promise<void> | undefined;
  /** Everything that came has been processed. */
  idle(): void;
  /** It is read again. */
  resumed(): void;
  close(code: number, reason: string): void;
}

const framesTime = new TurnTime(TURN_MS);

/**
 * Lets the frames of one connection be processed strictly in order of arrival. One that cannot be finished at once makes
 * the later ones wait; when too many wait, or too much came, the client is not read any more.
 */
export class FrameTurns {
  /** The client is not read. */
  isPaused = false;
  /** A frame is being processed, or none may be; further ones wait. It begins so. */
  isBusy = true;
  private waiting: FrameQueue | undefined;
  /** Frames that were processed in a turn of the event loop, and which. */
  private done = 0;
  private turn = 0;

  constructor(
    private readonly of: TurnTaker,
    private readonly time = framesTime,
  ) {}

  /** There are frames that have not been processed. */
  get isWaiting(): boolean {
    return this.waiting?.isEmpty === false;
  }

  /** A frame has come. */
  take(frame: WaitingFrame): void {
    if (!this.isBusy && !this.time.isOver()) return this.process(frame);
    this.keepWaiting(frame);
    if (!this.isBusy) this.waitForTurn();
  }

  /** Whatever kept frames waiting is over. */
  next(): void {
    const { of } = this;
    if (of.restMs > 0 && !of.hasEnded) return this.wait(of.restMs);
    this.isBusy = false;
    while (!this.isBusy && !of.hasEnded) {
      const frame = this.waiting?.shift();
      if (frame === undefined) break;
      this.process(frame);
    }
    if (!this.isBusy && !of.hasEnded) of.idle();
    if (!this.isPaused || this.isBusy || of.hasEnded) return;
    const { pauseMs } = of;
    if (pauseMs > 0 && pauseMs < Infinity) return this.wait(pauseMs);
    this.isPaused = false;
    of.resumed();
    of.socket.resumeReading();
  }

  /** Nothing more shall be read for a while, and what has been read waits. */
  rest(ms: number): void {
    if (ms === Infinity || this.isPaused) return;
    this.pause();
    if (!this.isBusy) this.wait(ms);
  }

  end(): void {
    this.waiting = undefined;
  }

  private process(frame: WaitingFrame): void {
    const unfinished = this.of.perform(frame);
    if (unfinished === undefined) {
      if (this.isTurnOver()) this.waitForTurn();
      return;
    }
    this.isBusy = true;
    void unfinished.finally(() => {
      if (this.isWaiting && this.isTurnOver()) this.waitForTurn();
      else this.next();
    });
  }

  private waitForTurn(): void {
    this.isBusy = true;
    this.time.wait(() => this.next());
  }

  private isTurnOver(): boolean {
    const turn = loopTurn();
    if (this.turn !== turn) this.done = 0;
    this.turn = turn;
    return ++this.done >= AT_ONCE || this.of.restMs > 0 || this.time.isAwaited || this.time.isOver();
  }

  private keepWaiting(frame: WaitingFrame): void {
    this.waiting ??= new FrameQueue();
    this.waiting.push(frame);
    if (this.waiting.isTooLong) return this.of.close(1008, 'Too many messages');
    if (!this.isPaused && this.waiting.isLong) this.pause();
  }

  private pause(): void {
    this.isPaused = true;
    this.of.socket.pauseReading();
  }

  private wait(ms: number): void {
    this.isBusy = true;
    const goOn = (): void => (this.time.isOver() ? this.waitForTurn() : this.next());
    setTimeout(goOn, Math.min(ms, LONGEST_WAIT_MS)).unref();
  }
}
