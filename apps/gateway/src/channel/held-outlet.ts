import type { Outlet } from './channel';
import type { FrameBatch } from '../frames/frame-batch';

/** Keeps a subscriber's frames back; they count as its backlog. */
export class HeldOutlet implements Outlet {
  private held: (readonly [batch: FrameBatch, leaveOut: readonly number[] | undefined])[] = [];
  private heldBytes = 0;

  constructor(private readonly outlet: Outlet) {}

  get isOpen(): boolean {
    return this.outlet.isOpen;
  }

  get backlogBytes(): number {
    return this.outlet.backlogBytes + this.heldBytes;
  }

  write(batch: FrameBatch, leaveOut?: readonly number[]): void {
    this.held.push([batch, leaveOut]);
    this.heldBytes += batch.payloadBytes;
  }

  /** Counts what is kept back elsewhere for the same subscriber; negative: what no longer is. */
  count(bytes: number): void {
    this.heldBytes += bytes;
  }

  /** Writes what was kept back. Nothing may be written to this one any more. */
  release(): void {
    for (const [batch, leaveOut] of this.held) this.outlet.write(batch, leaveOut);
    this.held = [];
    this.heldBytes = 0;
  }
}
