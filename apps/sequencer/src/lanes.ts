import { decodeLanePlace } from '@hearth/wire';

/**
 * Lanes that are remembered. A publisher has one in each partition, so more than these have spoken since one that is
 * forgotten; a late repeat of its would be taken. Each takes some 20 bytes of the saved position.
 */
const REMEMBERED = 1_000;

/**
 * Knows, for one partition, how far each publisher has come (`lane-place.ts`), by which a message is recognised that comes
 * twice, or after a later one of its publisher: that one is not taken, and its publisher knows it. It is saved with the
 * position, so that the next owner decides alike.
 */
export class Lanes {
  /** The number that came last by lane, least recently heard first. */
  private readonly last: Map<string, number>;

  /** @param saved as `toText` gave it */
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
    this.last.delete(lane);
    this.last.set(lane, number);
    if (this.last.size > REMEMBERED) for (const oldest of this.last.keys()) return this.last.delete(oldest);
    return true;
  }

  /** A copy as of now. */
  snapshot(): ReadonlyMap<string, number> {
    return new Map(this.last);
  }
}

/** As the database keeps it. */
export function lanesText(lanes: ReadonlyMap<string, number>): string {
  return Array.from(lanes, ([lane, number]) => `${lane}:${number}`).join(' ');
}
