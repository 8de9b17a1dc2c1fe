/** What has become of a message that the stream holds: `overtaken` ones are left out by whoever reads it. */
export type Fate = 'accepted' | 'overtaken';

/** A message whose fate is not known. */
interface Open<T> {
  readonly number: number;
  readonly what: T;
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
 *
 * After an outage very many wait at once, so none of them is looked at when another one is confirmed.
 */
export class Lane<T> {
  private readonly open = new Map<number, Open<T>>();
  private last = 0;
  /** None before it is open. */
  private firstOpen = 1;
  private readonly unplaced = new Unplaced();
  private readonly laterPlaces = new LaterPlaces();
  /** Those that are placed and wait, by the last number that they wait for. */
  private readonly waiting = new Map<number, Open<T>[]>();
  /** Of one that may stand before earlier ones, and nobody will ever know. */
  private lastDoubtful = 0;

  /** @param settle called once for each message that the stream holds */
  constructor(private readonly settle: (what: T, fate: Fate) => void) {}

  /** @returns the number of a message that is about to be sent */
  enter(what: T): number {
    const number = ++this.last;
    this.open.set(number, { number, what, place: undefined, until: number });
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
    own.place = place;
    if (wasRepeated) own.until = this.last;
    while (this.firstOpen < number && !this.open.has(this.firstOpen)) this.firstOpen++;
    // The usual case: it is the first.
    if (this.firstOpen < number) this.laterPlaces.add(number, place, this.firstOpen);
    this.isPlaced(number);
    this.endOrWait(own, this.unplaced.upTo(own.until));
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
    if (own.place !== undefined) return;
    if (!isGone) this.lastDoubtful = Math.max(this.lastDoubtful, number);
    this.isPlaced(number);
  }

  /** Nobody waits for it any more. */
  private isPlaced(number: number): void {
    this.unplaced.delete(number);
    const waiting = this.waiting.get(number);
    if (waiting === undefined) return;
    this.waiting.delete(number);
    const next = this.unplaced.upTo(number);
    for (const own of waiting) if (this.open.has(own.number)) this.endOrWait(own, next);
  }

  /** @param unplaced the last one without a place that it may have to wait for */
  private endOrWait(own: Open<T>, unplaced: number): void {
    if (unplaced < own.number) return this.end(own);
    const others = this.waiting.get(unplaced);
    if (others === undefined) this.waiting.set(unplaced, [own]);
    else others.push(own);
  }

  private end({ number, what, place, until }: Open<T>): void {
    this.open.delete(number);
    const isDoubtful = number < this.lastDoubtful && until > number;
    const isLate = place === undefined || place > this.laterPlaces.firstBehind(number) || isDoubtful;
    this.settle(what, isLate ? 'overtaken' : 'accepted');
  }
}

/** The numbers from 1 on of what has no place yet. */
class Unplaced {
  /** The first of them. */
  private first = 1;
  /** The others that are none: each with a smaller number from which on one is looked for. */
  private readonly gone = new Map<number, number>();

  delete(number: number): void {
    if (number > this.first) return void this.gone.set(number, number - 1);
    do this.first++;
    while (this.gone.delete(this.first));
  }

  /** @returns the last of them that is not above `number`; 0: there is none */
  upTo(number: number): number {
    let found = number;
    for (let next = this.gone.get(found); next !== undefined; next = this.gone.get(found)) found = next;
    // The next look is shorter.
    for (let from = number; from !== found;) {
      const next = this.gone.get(from)!;
      this.gone.set(from, found);
      from = next;
    }
    return found < this.first ? 0 : found;
  }
}

/** The places of what was confirmed before earlier ones were; only those that a later one does not stand before. */
class LaterPlaces {
  /** Both ascend. */
  private kept: { readonly number: number; readonly place: number }[] = [];

  /** @param firstOpen nobody asks for what is behind an earlier one any more */
  add(number: number, place: number, firstOpen: number): void {
    const forgotten = this.indexBehind(firstOpen);
    if (forgotten * 2 > this.kept.length) this.kept = this.kept.slice(forgotten);
    const index = this.indexBehind(number);
    if ((this.kept[index]?.place ?? Infinity) < place) return;
    let from = index;
    while (from > 0 && this.kept[from - 1]!.place > place) from--;
    this.kept.splice(from, index - from, { number, place });
  }

  /** @returns the first place at which one behind `number` stands */
  firstBehind(number: number): number {
    return this.kept[this.indexBehind(number)]?.place ?? Infinity;
  }

  private indexBehind(number: number): number {
    let [low, high] = [0, this.kept.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.kept[middle]!.number > number) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
