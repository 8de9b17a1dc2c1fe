import { setTimeout as delay } from 'node:timers/promises';
import { comparePositions, DeliverRecord, firstIdOf, idTimeMs, Position } from '@hearth/protocol';
import { Logger } from '@hearth/service';
import { readDelivered, StreamConnection } from '@hearth/stream';
import type { Channel } from './channel';
import { FrameBatch } from './frame-batch';

/** At most so much is sent again (websocket-protocol §12); of more, the newest. */
const MAX_MESSAGES = 1_000;
const MAX_BYTES = 4 * 1_048_576;
/** Messages are stored a little after the instant in their id, never before, but clocks of eager ids may be ahead. */
const CLOCK_MARGIN_MS = 2_000;
/** The stream stores a message a moment after its live copy is sent. */
const RETRY_MS = 50;
const GIVE_UP_MS = 500;
/** Each may read a lot, and after a restart thousands of clients may resume at the same moment. */
const READS_AT_ONCE = 16;
/** Looking through all rights is for the gateway's timer, but not for each of its ticks. */
const SWEEP_MS = 30_000;
/** How long it is remembered what a user was subscribed to: the reach of the deliver stream. */
const REMEMBER_MS = 600_000;

interface Right {
  readonly sinceId: string;
  active: number;
  endedAtMs: number;
  /** Last message that was delivered before the end. */
  lastId: string;
}

/**
 * What the users of this gateway were subscribed to lately: who has seen a message may see what came after it, even
 * without `historyStart` (websocket-protocol §12).
 */
export class ResumeRights {
  private readonly rights = new Map<string, Right>();
  private nextSweepMs = 0;

  entered(uid: string | null, channel: string, sinceMs: number): void {
    if (uid === null) return;
    const key = keyOf(uid, channel);
    const right = this.rights.get(key);
    if (right !== undefined) right.active++;
    else this.rights.set(key, { sinceId: firstIdOf(sinceMs), active: 1, endedAtMs: 0, lastId: '' });
  }

  left(uid: string | null, { name, lastId }: Pick<Channel, 'name' | 'lastId'>): void {
    const right = uid === null ? undefined : this.rights.get(keyOf(uid, name));
    if (right === undefined) return;
    right.active--;
    right.endedAtMs = Date.now();
    right.lastId = lastId ?? '';
  }

  /** Whether the message was delivered to a connection of this user. */
  covers(uid: string | null, channel: string, id: string): boolean {
    const right = uid === null ? undefined : this.rights.get(keyOf(uid, channel));
    return right !== undefined && id >= right.sinceId && (right.active > 0 || id <= right.lastId);
  }

  sweep(nowMs: number): void {
    if (nowMs < this.nextSweepMs) return;
    this.nextSweepMs = nowMs + SWEEP_MS;
    for (const [key, right] of this.rights) {
      if (right.active === 0 && nowMs - right.endedAtMs > REMEMBER_MS) this.rights.delete(key);
    }
  }
}

function keyOf(uid: string, channel: string): string {
  // A channel name holds no white space, so no two pairs have the same key.
  return `${channel} ${uid}`;
}

export interface ResumeRequest {
  readonly channel: Channel;
  /** Id of the last message that the client has seen. */
  readonly after: string;
  /** Oldest visible instant for a client that has not seen `after`, ms since 1970. */
  readonly visibleSinceMs: number;
  /** Whether it was shown to this user. */
  readonly hasSeen: boolean;
}

/** What a client missed; for its `hotsock.subscribed` and right after it. */
export interface Missed {
  readonly complete: boolean;
  readonly frames: FrameBatch | undefined;
}

/** Finds out what resuming clients missed, in the deliver stream and in what arrives meanwhile. */
export class Resume {
  readonly rights = new ResumeRights();
  private reading = 0;
  private readonly waiting: (() => void)[] = [];

  constructor(
    private readonly stream: StreamConnection,
    private readonly maxBytes: number,
    private readonly logger: Logger,
  ) {}

  /**
   * Collects what was missed. The returned function gives it, complete up to the moment of the call: add the subscriber
   * in the same moment. It must be called once, also when the subscription fails.
   */
  async collect(request: ResumeRequest): Promise<() => Missed> {
    const { channel, after } = request;
    const collection = new Collection(request, Math.min(MAX_BYTES, this.maxBytes / 2));
    const watch = channel.watch((record) => collection.add(record));
    try {
      if (channel.lastId === after) collection.isWhole = true;
      else await this.turn(() => this.read(request, collection));
    } catch (error) {
      collection.isWhole = false;
      this.logger.warn({ channel: channel.name, err: error }, 'a resume could not read the deliver stream');
    }
    return () => {
      watch.stop();
      return collection.missed(channel.last);
    };
  }

  /** Reads up to what the channel had delivered when this began; what came since, the watch has seen. */
  private async read({ channel, after }: ResumeRequest, collection: Collection): Promise<void> {
    const until = channel.last;
    const giveUpAt = Date.now() + GIVE_UP_MS;
    const start = { timeMs: Math.max(0, idTimeMs(after) - CLOCK_MARGIN_MS) };
    while (Date.now() < giveUpAt) {
      const read = collection.beginReading();
      await readDelivered(this.stream, start, channel.name, (_subject, { record }) => read(record));
      if (until === undefined || collection.hasRead(until)) return;
      await delay(RETRY_MS);
    }
    collection.isWhole = false;
  }

  private async turn(work: () => Promise<void>): Promise<void> {
    if (this.reading >= READS_AT_ONCE) await new Promise<void>((resolve) => this.waiting.push(resolve));
    this.reading++;
    try {
      await work();
    } finally {
      this.reading--;
      this.waiting.shift()?.();
    }
  }
}

/**
 * Messages after the one the client knows: those the stream held, then those that came while it was read. Whether they
 * are all of them is known only if the stream reaches back to a message that the client has seen (or an older one) and
 * every later one names the one before it.
 */
class Collection {
  isWhole = false;
  private stored: DeliverRecord[] = [];
  private readonly live: DeliverRecord[] = [];
  private last: DeliverRecord | undefined;

  constructor(
    private readonly request: ResumeRequest,
    private readonly maxBytes: number,
  ) {}

  beginReading(): (record: DeliverRecord) => void {
    this.stored = [];
    this.last = undefined;
    this.isWhole = false;
    return (record) => this.read(record);
  }

  hasRead(position: DeliverRecord['position']): boolean {
    return this.last !== undefined && comparePositions(this.last.position, position) >= 0;
  }

  /** A live message; a change of members or storage is told anew, never again. */
  add(record: DeliverRecord): void {
    if (record.notice !== undefined) return;
    this.live.push(record);
    if (this.live.length > MAX_MESSAGES) this.live.shift();
  }

  /** @param until the last message that the channel has taken in: what comes after it, the channel will deliver */
  missed(until: Position | undefined): Missed {
    const lastStored = this.last;
    const stored = this.stored.filter(({ position }) => until !== undefined && comparePositions(position, until) <= 0);
    const live =
      lastStored === undefined
        ? this.live
        : this.live.filter(({ position }) => comparePositions(position, lastStored.position) > 0);
    const candidates = [...stored, ...live].filter(({ id }) => id > this.request.after);
    const visible = this.request.hasSeen ? candidates : candidates.filter(({ id }) => this.isVisible(id));
    const newest = this.newest(visible);
    const reachesLive = this.live.length < MAX_MESSAGES;
    return {
      complete: this.isWhole && reachesLive && newest.length === candidates.length,
      frames: newest.length === 0 ? undefined : new FrameBatch(newest.map(({ frame }) => frame)),
    };
  }

  private read(record: DeliverRecord): void {
    if (this.hasRead(record.position)) return;
    const { previous } = record;
    const isLinked =
      previous === undefined || (this.last !== undefined && comparePositions(previous, this.last.position) <= 0);
    if (record.id <= this.request.after) this.isWhole = true;
    else if (!isLinked) this.isWhole = false;
    this.last = record;
    if (record.id <= this.request.after || record.notice !== undefined) return;
    this.stored.push(record);
    if (this.stored.length <= MAX_MESSAGES) return;
    this.stored.shift();
    this.isWhole = false;
  }

  private isVisible(id: string): boolean {
    return idTimeMs(id) >= this.request.visibleSinceMs;
  }

  private newest(records: readonly DeliverRecord[]): readonly DeliverRecord[] {
    let from = records.length;
    let bytes = 0;
    while (from > 0 && records.length - from < MAX_MESSAGES) {
      bytes += records[from - 1]?.frame.length ?? 0;
      if (bytes > this.maxBytes) break;
      from--;
    }
    return records.slice(from);
  }
}
