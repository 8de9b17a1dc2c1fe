import { type Backlog, heldOf } from '@hearth/runtime';
import type { Outlet } from './channel';
import type { FrameBatch } from '../frames/frame-batch';

/** Keeps a subscriber's frames back; they count as its backlog. */
export class HeldOutlet implements Outlet {
  private held: (readonly [batch: FrameBatch, leaveOut: readonly number[] | undefined])[] = [];
  private waiting: Backlog | undefined;
  private kept: Backlog | undefined;

  constructor(private readonly outlet: Outlet) {}

  get isOpen(): boolean {
    return this.outlet.isOpen;
  }

  get backlogBytes(): number {
    return this.outlet.backlogBytes + (this.waiting?.bytes ?? 0) + this.keptBytes;
  }

  get backlog(): Backlog {
    return this.outlet.backlog;
  }

  write(batch: FrameBatch, leaveOut?: readonly number[]): void {
    this.held.push([batch, leaveOut]);
    (this.waiting ??= this.backlog.another()).add(batch.held);
  }

  /** Counts a frame that is kept back elsewhere for the same subscriber. */
  keep(frame: Uint8Array): void {
    (this.kept ??= this.backlog.another()).add(heldOf(frame));
  }

  /** What is kept back elsewhere. */
  get keptBytes(): number {
    return this.kept?.bytes ?? 0;
  }

  /** Nothing is kept back elsewhere any more. */
  forget(): void {
    this.kept?.end();
    this.kept = undefined;
  }

  /** Writes what was kept back. Nothing may be written to this one any more. */
  release(): void {
    for (const [batch, leaveOut] of this.held) this.outlet.write(batch, leaveOut);
    this.drop();
  }

  /** Forgets all that was kept back. Nothing may be written to this one any more. */
  drop(): void {
    this.held = [];
    this.waiting?.end();
    this.waiting = undefined;
    this.forget();
  }
}
