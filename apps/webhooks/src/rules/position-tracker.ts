/** An event that was read and is not settled yet. */
export interface Place<P> {
  readonly position: P;
  settled: boolean;
}

/**
 * Up to where everything has been settled, while events are settled in any order: the position from which a successor
 * has to read again.
 */
export class PositionTracker<P> {
  private readonly open: Place<P>[] = [];

  /** @param position behind which reading begins */
  constructor(private position: P) {}

  /** The last position up to which everything has been settled. */
  get settled(): P {
    return this.position;
  }

  /** Places that wait for the first of them to be settled, settled ones included. */
  get size(): number {
    return this.open.length;
  }

  /** Notes what was read, in the order of the stream. */
  take(position: P): Place<P> {
    const place = { position, settled: false };
    this.open.push(place);
    return place;
  }

  /** The event needs nothing more from the stream. */
  settle(place: Place<P>): void {
    place.settled = true;
    let done = 0;
    for (const { settled, position } of this.open) {
      if (!settled) break;
      this.position = position;
      done++;
    }
    this.open.splice(0, done);
  }
}
