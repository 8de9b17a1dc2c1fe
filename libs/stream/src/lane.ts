/** What has become of a message that the stream holds: `overtaken` ones are left out by whoever reads it. */
export type Fate = 'accepted' | 'overtaken';

/** A message whose fate is not known. */
interface Open<T> {
  readonly number: number;
  readonly what: T;
  /** The first place at which the stream holds a later one of the lane, as far as is known. */
  limit: number;
  /** A later one may stand before it, and nobody will ever know. */
  isDoubtful: boolean;
  /** Its own place, while it waits for later ones. */
  place: number | undefined;
  /** It waits for those up to this number. */
  until: number;
}

/**
 * What one publisher sends to one stream, in its order, and whether it is there in that order (`lane-place.ts`).
 *
 * A stream that changes its leader may lose a message and take later ones. Its publisher sends it again, and where it stands
 * then tells its fate: before all later ones, or behind one, where nobody reads it any more. A message that was sent once
 * stands before those that were sent after it. One that was sent again may not, so it waits until the places of all that had
 * been sent by then are known.
 */
export class Lane<T> {
  private readonly open = new Map<number, Open<T>>();
  private last = 0;
  private waiting = 0;

  constructor(private readonly settle: (what: T, fate: Fate) => void) {}

  /** @returns the number of a message that is about to be sent */
  enter(what: T): number {
    const number = ++this.last;
    const isDoubtful = false;
    this.open.set(number, { number, what, limit: Infinity, isDoubtful, place: undefined, until: number });
    return number;
  }

  /**
   * The stream has confirmed a message.
   *
   * @param place its sequence in the stream
   * @param wasRepeated it was sent more than once
   */
  stored(number: number, place: number, wasRepeated: boolean): void {
    const own = this.open.get(number);
    if (own === undefined || own.place !== undefined) return;
    for (const earlier of this.open.values()) {
      // The usual case: it is the first.
      if (earlier.number >= number) break;
      earlier.limit = Math.min(earlier.limit, place);
    }
    own.place = place;
    if (wasRepeated) own.until = this.last;
    this.waiting++;
    if (own.until === number) this.end(own);
    if (this.waiting > 0) this.endThoseThatNeedNotWait();
  }

  /**
   * A message is given up.
   *
   * @param isGone the stream certainly does not hold it
   */
  failed(number: number, isGone: boolean): void {
    const own = this.open.get(number);
    if (own === undefined) return;
    this.open.delete(number);
    if (own.place !== undefined) this.waiting--;
    else if (!isGone) for (const other of this.open.values()) if (other.number < number) other.isDoubtful = true;
    if (this.waiting > 0) this.endThoseThatNeedNotWait();
  }

  private endThoseThatNeedNotWait(): void {
    let unplaced = 0;
    // From the last to the first: each waits for what is not placed behind it.
    for (const own of [...this.open.values()].reverse()) {
      if (own.place === undefined) unplaced = own.number;
      else if (unplaced === 0 || unplaced > own.until) this.end(own);
    }
  }

  private end({ number, what, place, limit, isDoubtful, until }: Open<T>): void {
    this.open.delete(number);
    this.waiting--;
    const isLate = place === undefined || place > limit || (isDoubtful && until > number);
    this.settle(what, isLate ? 'overtaken' : 'accepted');
  }
}
