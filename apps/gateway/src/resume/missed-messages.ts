import { comparePositions, DeliverRecord, Position } from '@hearth/wire';
import { NewestRecords } from './newest-records';

/** At most so much is sent again (resume §5); of more, the newest. */
export const MAX_MESSAGES = 1_000;
export const MAX_BYTES = 4 * 1_048_576;

/**
 * The messages behind one that a client has seen, as the deliver stream and the live channel tell of them.
 *
 * What comes after that message is a question of places, never of ids: eager ids are not in the order of delivery. Only
 * when nobody tells of the message itself are ids all there is to go by, and then nothing proves that these are all.
 */
export class MissedMessages {
  /** Where the message that the client has seen stands; `undefined` until it came by. */
  position: Position | undefined;
  /** Oldest record that the stream told of: all that was delivered since is in the stream. */
  oldest: { readonly position: Position; readonly id: string } | undefined;

  private readonly newest = new NewestRecords(MAX_MESSAGES, MAX_BYTES);
  private lastRead: Position | undefined;
  /** Of the places that a record names as the one before it, and that the stream did not hold there, the last. */
  private missingLink: Position | undefined;

  /**
   * @param after id of the message that the client has seen
   * @param connectionId whose own messages without `echo` are left out
   */
  constructor(
    private readonly after: string,
    private readonly connectionId: string,
  ) {}

  /** The stream is read from here on, perhaps once more; what was learned of messages stays known. */
  beginReading(): void {
    this.lastRead = undefined;
    this.missingLink = undefined;
  }

  /** Takes a record of the deliver stream; they come in its order. */
  read(record: DeliverRecord): void {
    const { position, previous, id } = record;
    if (previous !== undefined && !this.hasRead(previous)) this.missingLink = previous;
    if (!this.hasRead(position)) this.lastRead = position;
    if (this.oldest === undefined || comparePositions(position, this.oldest.position) < 0) {
      this.oldest = { position, id };
    }
    this.add(record);
  }

  /** Takes a live record. A change of members or storage is told anew, never again. */
  add(record: DeliverRecord): void {
    if (record.id === this.after) return this.found(record.position);
    if (record.notice !== undefined || record.exceptConnectionId === this.connectionId) return;
    if (this.position === undefined || comparePositions(record.position, this.position) > 0) this.newest.add(record);
  }

  /** The message that the client has seen stands there. */
  found(position: Position): void {
    this.position = position;
    this.newest.forgetThrough(position);
  }

  /** Whether the stream was read up to a position. */
  hasRead(position: Position): boolean {
    return this.lastRead !== undefined && comparePositions(position, this.lastRead) <= 0;
  }

  /** Whether nothing that the stream once had is missing between the message that the client has seen and its end. */
  get isUnbroken(): boolean {
    const { position, missingLink } = this;
    if (position === undefined || this.newest.hasDroppedAfter(position)) return false;
    return missingLink === undefined || comparePositions(missingLink, position) <= 0;
  }

  /** Limits of what there is room for besides, with the oldest of these among it. */
  get room(): { readonly limit: number; readonly maxBytes: number } {
    return { limit: MAX_MESSAGES - this.newest.all.length + 1, maxBytes: MAX_BYTES - this.newest.bytes };
  }

  /** @param until last message that the channel has taken in: what comes after it, the channel will deliver */
  through(until: Position | undefined): readonly DeliverRecord[] {
    if (until === undefined) return [];
    const taken = this.newest.all.filter(({ position }) => comparePositions(position, until) <= 0);
    return this.position === undefined ? taken.filter(({ id }) => id > this.after) : taken;
  }
}
