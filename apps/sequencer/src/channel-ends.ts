import type { ChannelEnd, ChannelEndNote } from '@hearth/store';
import type { StreamExtent } from '@hearth/stream';
import { comparePositions, Position } from '@hearth/wire';

/** A message or record of a channel, and its place. */
export interface PlacedRecord {
  readonly id: string;
  readonly position: Position;
}

/** Channels of one partition; each takes some 250 bytes. */
const MAX_CHANNELS = 200_000;

/**
 * Where the channels of one partition have ended since that was last noted (resume §3).
 *
 * Nothing here is needed for messages to flow. What is forgotten, by a crash or at the bound, is still in the deliver
 * stream, and is learned again from there before anything is noted.
 */
export class ChannelEnds {
  /**
   * What is noted, here or by an owner before. Every message that the deliver stream got after that is known here, once
   * this is set.
   */
  note: ChannelEndNote | undefined;
  /** When it was written (`performance.now()`). */
  notedMs = -Infinity;
  /** The note is older than it should be, because Postgres or NATS were away, and still nothing is unknown. */
  isDelayed = false;
  /** How often everything was forgotten. */
  losses = 0;
  private changed = new Map<string, PlacedRecord>();

  constructor(
    readonly claim: { readonly partition: number; readonly fencingToken: number },
    /** Resolves when the deliver stream holds what was sent until now. */
    readonly delivered: () => Promise<unknown>,
  ) {}

  get size(): number {
    return this.changed.size;
  }

  /** A record that the deliver stream has or will have. */
  add(channel: string, { id, position }: PlacedRecord): void {
    const known = this.changed.get(channel);
    if (known !== undefined && comparePositions(known.position, position) >= 0) return;
    this.changed.set(channel, { id, position });
    if (this.changed.size <= MAX_CHANNELS) return;
    this.changed.clear();
    this.note = undefined;
    this.losses++;
  }

  /** What is to be noted; it is forgotten here, unless it is put back. */
  take(): ReadonlyMap<string, PlacedRecord> {
    const taken = this.changed;
    this.changed = new Map();
    return taken;
  }

  putBack(taken: ReadonlyMap<string, PlacedRecord>): void {
    for (const [channel, record] of taken) this.add(channel, record);
  }
}

export function rowsOf(ends: ReadonlyMap<string, PlacedRecord>): ChannelEnd[] {
  return [...ends].map(([channel, { id, position }]) => ({
    channel,
    streamEpoch: position.epoch,
    seq: position.sequence,
    id,
  }));
}

/** Whether a note still holds: of every message behind it the stream has kept the last of its channel. */
function isKept({ deliverCreated, deliverSeq }: ChannelEndNote, { created, first, last }: StreamExtent): boolean {
  return deliverCreated === created && first <= deliverSeq + 1 && last >= deliverSeq;
}

/**
 * What holds before a new owner has learned anything: the note of the owner before, or, when messages may have been lost
 * without a note, the beginning of a new series. Only a stream that never lost anything begins with series 0, in which a
 * channel without an end has never said anything.
 */
export function firstNote(stored: ChannelEndNote | undefined, extent: StreamExtent): ChannelEndNote {
  if (stored !== undefined && isKept(stored, extent)) return stored;
  const { created: deliverCreated, first } = extent;
  const series = stored === undefined ? Number(first > 1) : stored.series + 1;
  return { series, deliverCreated, deliverSeq: first - 1 };
}

/**
 * The note after one that holds.
 *
 * @param extent from before the ends were taken
 * @param isDelayed all ends are known, however late this is
 */
export function nextNote(before: ChannelEndNote, extent: StreamExtent, isDelayed: boolean): ChannelEndNote {
  const { created: deliverCreated, last: deliverSeq } = extent;
  const first = isDelayed ? Math.min(extent.first, before.deliverSeq + 1) : extent.first;
  const series = before.series + (isKept(before, { ...extent, first }) ? 0 : 1);
  return { series, deliverCreated, deliverSeq };
}

/** Whether it is time for the next note: after the interval, or when the stream may soon drop what is not noted. */
export function isNoteDue(note: ChannelEndNote, extent: StreamExtent, agedMs: number, intervalMs: number): boolean {
  const { created, first, last, fullness } = extent;
  if (note.deliverCreated === created && note.deliverSeq === last) return false;
  return agedMs >= intervalMs || (fullness > 0.5 && note.deliverSeq < (first + last) / 2);
}
