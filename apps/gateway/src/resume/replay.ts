import { setTimeout as delay } from 'node:timers/promises';
import type { Outlet } from '../channel/channel';
import type { Backlog } from '@hearth/runtime';
import { FrameBatch } from '../frames/frame-batch';
import { HeldOutlet } from '../channel/held-outlet';
import type { Subscription } from '../connection/subscription';

/** A replay that leaves live frames this share of what the client may have waiting is written in one piece. */
const LIVE_SHARE = 0.5;
/** Any other in pieces of this share, each when the client has no more than that waiting. */
const PIECE_SHARE = 0.25;
const DRAIN_POLL_MS = 20;

/**
 * What a client missed, sent as it reads it: all of it may be more than what may wait for a client at once. What the
 * channel delivers meanwhile is held back, and counts as the client's backlog, so one that does not read is closed like
 * any other.
 */
export class Replay implements Outlet {
  private held: HeldOutlet | undefined;

  private constructor(private readonly direct: Outlet) {
    this.held = new HeldOutlet(direct);
  }

  /**
   * Call it in the moment in which the subscriber is added to its channel.
   *
   * @returns when everything has been written, or the subscription has ended; `undefined` when that is now
   */
  static send(
    subscription: Subscription,
    frames: readonly Uint8Array[],
    maxBacklogBytes: number,
  ): Promise<void> | undefined {
    const direct = subscription.socket;
    const all = new FrameBatch(frames);
    if (direct.backlogBytes + all.payloadBytes <= maxBacklogBytes * (1 - LIVE_SHARE)) return void direct.write(all);
    const replay = new Replay(direct);
    subscription.socket = replay;
    return replay.send(subscription, frames, maxBacklogBytes * PIECE_SHARE);
  }

  get isOpen(): boolean {
    return this.direct.isOpen;
  }

  get backlogBytes(): number {
    return (this.held ?? this.direct).backlogBytes;
  }

  get backlog(): Backlog {
    return this.direct.backlog;
  }

  write(batch: FrameBatch, leaveOut?: readonly number[]): void {
    (this.held ?? this.direct).write(batch, leaveOut);
  }

  private async send(subscription: Subscription, frames: readonly Uint8Array[], pieceBytes: number): Promise<void> {
    for (const piece of piecesOf(frames, pieceBytes)) {
      while (subscription.isActive && this.direct.backlogBytes > pieceBytes) await delay(DRAIN_POLL_MS);
      if (!subscription.isActive) return this.held?.drop();
      this.direct.write(new FrameBatch(piece));
    }
    this.held?.release();
    this.held = undefined;
    // A storage snapshot that began meanwhile writes through this one, and goes on doing so.
    if (subscription.socket === this) subscription.socket = this.direct;
  }
}

/** Neighbours together, as many as fit; a frame that is larger comes alone. */
function* piecesOf(frames: readonly Uint8Array[], maxBytes: number): Generator<readonly Uint8Array[]> {
  let from = 0;
  let bytes = 0;
  for (const [index, { length }] of frames.entries()) {
    bytes += length;
    if (bytes <= maxBytes || index === from) continue;
    yield frames.slice(from, index);
    from = index;
    bytes = length;
  }
  if (from < frames.length) yield frames.slice(from);
}
