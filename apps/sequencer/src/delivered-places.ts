import { idTimeMs, partitionOfId, sequenceOfId } from '@hearth/protocol';
import type { LastDelivered } from '@hearth/stream';
import { comparePositions, type Position } from '@hearth/wire';

/** A record of the deliver stream, and by when everything at its place or before it had been accepted. */
interface Delivered {
  readonly position: Position;
  /** By the ingest stream's clock, ms since 1970. */
  readonly latestMs: number;
}

/**
 * Notices when the ingest stream of a partition gives out places again whose messages the deliver stream still holds: a power
 * cut took the tail of the one and not of the other, and the saved position lies before that. Without it the messages with
 * these places would pass for repeats, and be left out.
 *
 * Nothing that stands before a record, or is that record, was accepted later than it: who gives ids never gives a smaller
 * time than before. So whatever has its place and a later time is another message.
 */
export class DeliveredPlaces {
  /** The furthest record that says its time by its id, and the furthest whose id was given before it had its place. */
  private readonly furthest: { placed?: Delivered; eager?: Delivered } = {};

  constructor(
    private readonly partition: number,
    /** By so much may clocks that stamp messages differ, and an eager id be ahead of them. */
    private readonly clockToleranceMs: number,
  ) {}

  /** A record that a worker before this one has sent. */
  add({ record: { id, position }, storedMs }: LastDelivered): void {
    const isPlaced = sequenceOfId(id) === position.sequence && partitionOfId(id) === this.partition;
    const kind = isPlaced ? 'placed' : 'eager';
    const known = this.furthest[kind];
    if (known !== undefined && comparePositions(known.position, position) >= 0) return;
    this.furthest[kind] = { position, latestMs: isPlaced ? idTimeMs(id) : storedMs + this.clockToleranceMs };
  }

  /** @param acceptedMs by the ingest stream's clock, ms since 1970 */
  isReused(position: Position, acceptedMs: number): boolean {
    const { placed, eager } = this.furthest;
    const contradicts = (known: Delivered | undefined): boolean =>
      known !== undefined && comparePositions(known.position, position) >= 0 && acceptedMs > known.latestMs;
    return contradicts(placed) || contradicts(eager);
  }
}
