import { decodeLanePlace } from '@hearth/wire';

/**
 * Lanes that are remembered. A publisher has one in each partition, so more than these have spoken since one that is
 * forgotten; a late repeat of its would be taken. Each takes some 20 bytes of the saved position.
 */
const REMEMBERED = 1_000;

/** How far publishers have come, by lane, least recently heard first. */
export interface LaneChanges {
  /** All there are, whatever was known before; else those that spoke since the changes before. */
  readonly isAll: boolean;
  readonly last: ReadonlyMap<string, number>;
}

/**
 * Knows, for one partition, how far each publisher has come (`lane-place.ts`), by which a message is recognised that comes
 * twice, or after a later one of its publisher: that one is not taken, and its publisher knows it. It is saved with the
 * position, so that the next owner decides alike. Whoever follows it takes what has changed with each batch, because there
 * may be many lanes, of which a batch is for a few.
 */
export class Lanes {
  /** The number that came last by lane, least recently heard first. */
  private last: Map<string, number>;
  /** Of it, what has changed since that was taken; `undefined`: it was never taken. */
  private changed: Map<string, number> | undefined;

  /** @param saved as `toString` gave it */
  constructor(saved = '') {
    const lanes = saved === '' ? [] : saved.split(' ');
    this.last = new Map(
      lanes.map((text) => [text.slice(0, text.indexOf(':')), Number(text.slice(text.indexOf(':') + 1))]),
    );
  }

  /** Whether the next message of the stream is to be taken. */
  admit(messageId: string | undefined): boolean {
    const place = decodeLanePlace(messageId);
    if (place === undefined) return true;
    const { lane, number } = place;
    if (number <= (this.last.get(lane) ?? 0)) return false;
    this.note(lane, number);
    return true;
  }

  /** What has come since the call before; everything at the first one. To be passed on in order. */
  takeChanges(): LaneChanges {
    const { changed } = this;
    this.changed = new Map();
    return changed === undefined ? { isAll: true, last: new Map(this.last) } : { isAll: false, last: changed };
  }

  /** The next call gives everything. */
  takeAllNext(): void {
    this.changed = undefined;
  }

  /** Goes on to where another has come: takes its changes, each once and in their order. */
  follow({ isAll, last }: LaneChanges): void {
    if (isAll) this.last = new Map(last);
    else for (const [lane, number] of last) this.note(lane, number);
  }

  /** As the database keeps it. */
  toString(): string {
    return Array.from(this.last, ([lane, number]) => `${lane}:${number}`).join(' ');
  }

  private note(lane: string, number: number): void {
    moveToEnd(this.last, lane, number);
    if (this.changed !== undefined) moveToEnd(this.changed, lane, number);
    if (this.last.size > REMEMBERED) for (const oldest of this.last.keys()) return void this.last.delete(oldest);
  }
}

function moveToEnd(lanes: Map<string, number>, lane: string, number: number): void {
  lanes.delete(lane);
  lanes.set(lane, number);
}
