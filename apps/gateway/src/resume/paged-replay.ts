import { installationNow } from '@hearth/timing';
import { setTimeout as delay } from 'node:timers/promises';
import { firstIdOf, messageFrame, messagesMissedFrame, partitionOfId, sequenceOfId } from '@hearth/protocol';
import { comparePositions, DeliverRecord, Position } from '@hearth/wire';
import type { DeliveredPage, StartAt, StoredDeliverRecord } from '@hearth/stream';
import type { LogRange, MissedMessage } from '@hearth/store';
import type { Logger } from '@hearth/runtime';
import type { Channel, Outlet } from '../channel/channel';
import type { Seen } from '../channel/intake';
import { FrameBatch } from '../frames/frame-batch';
import { type ReplayPlan, type ReplaySource, tellsPlace } from './replay-plan';

/** Of frames that are read at once, and of live ones that are kept until a page meets them. */
const PAGE_BYTES = 256 * 1_024;
/** The next page is read when less than this share of the backlog limit waits for the client. */
const WAITING_SHARE = 0.25;
const POLL_MS = 20;
/** The stream stores a message a moment after its live copy is sent. */
const RETRY_MS = 50;
/** A missing link that does not come within this time may stand before where the reading began. */
const LOOK_BACK_MS = 1_000;
/** One that does not come within this time is a hole. */
const GIVE_UP_MS = 3_000;
/** No message has a greater one. */
const LAST_ID = `7${'Z'.repeat(25)}`;
/** A client that takes no byte for so long is cut off (resume §3, "Paging"). */
const STALLED_MS = 60_000;

/** Where a replay reads from. */
export interface PagedSource extends Pick<ReplaySource, 'page'> {
  /** Stored messages of a channel in their order, some at a time; where nothing is before, those that are not quite new. */
  log(channel: string, range: LogRange, maxBytes: number): Promise<readonly MissedMessage[]>;
}

/** Who gets the replay. */
export interface ReplayReader {
  readonly channel: Channel;
  readonly socket: Outlet;
  /** False once the subscription has ended. */
  readonly isActive: boolean;
  /** Connections of its chain: what they sent without `echo` is not sent again. */
  readonly chain: readonly string[];
  readonly maxBacklogBytes: number;
  /** Whether it gets its own messages of an event; asked for what the log has. */
  echoes(event: string): boolean;
  /** It does not read what it is sent. */
  cutOff(): void;
  /**
   * Everything up to now was sent but for `frames`: it shall be a subscriber of the channel in this moment, and get them
   * first.
   *
   * @param through place of the last message that it has by then
   */
  goLive(frames: readonly Uint8Array[], through: Seen | undefined): void;
}

/**
 * Sends what a client missed in pages, each when it has read most of the one before, and makes the client a subscriber at
 * the place where a page meets what the channel has taken in: so each message is sent once, in the order of places.
 * Meanwhile nothing of the channel is kept for it, because the stream holds that too.
 */
export class PagedReplay {
  /** Everything up to here has been sent, or was not for this client. */
  private at: Position | undefined;
  private lastId: string | undefined;
  /** What the log has up to here is from before. */
  private readonly beginId: string;
  /** What comes is not for this client up to the message with this id. */
  private ahead: string | undefined;
  /** Id that the place of the last message makes that was sent from the log: the stream may get those before it late. */
  private loggedThrough: string | undefined;
  /** Read, but a link before them is missing: a message that was stored late comes behind those that follow it. */
  private early: StoredDeliverRecord[] = [];
  /** Of the channel's last message when the subscription began. */
  private readonly startedAt: Position | undefined;
  /** No message that stands behind it had come when the subscription began. */
  private readonly newsBehind: Position | undefined;
  private readonly startAt: StartAt;

  /** Call it in the moment in which the subscription begins. */
  constructor(
    private readonly reader: ReplayReader,
    private readonly plan: ReplayPlan,
    private readonly source: PagedSource,
    private readonly logger: Logger,
    /** Last id that the client has, if it named one. */
    after: string | undefined,
  ) {
    const { channel } = reader;
    const end = channel.intake.end();
    this.startedAt = channel.intake.last;
    this.newsBehind = end.position;
    this.at = plan.startAt === undefined ? channel.intake.last : plan.through;
    this.startAt = plan.startAt ?? { sequence: end.streamSequence + 1 };
    this.lastId = after;
    const { from } = plan;
    const heardId = channel.intake.lastId ?? firstIdOf(installationNow());
    this.beginId = from === undefined ? heardId : (from.id ?? firstIdOf(from.atMs));
    this.ahead = plan.ahead;
  }

  /** Resolves when the client is a subscriber, or its subscription has ended. */
  async run(): Promise<void> {
    const { logged, hole } = this.plan;
    if (hole !== undefined) await this.stepOver(hole.next, hole.next === undefined ? hole.end : undefined);
    if (logged !== undefined) await this.sendLogged(logged);
    if (this.isAt(this.reader.channel.intake.last)) return this.finish([]);
    let { startAt } = this;
    let missingSince: number | undefined;
    let hasLookedBack = false;
    while (await this.hasRoom()) {
      const heard = new Heard(this.reader.channel);
      try {
        const page = await this.readPage(startAt);
        if (!this.reader.isActive) return;
        const last = page.records.at(-1);
        if (last !== undefined) startAt = { sequence: last.sequence + 1 };
        const frames = this.take(page.records);
        const isMissing = this.early.length > 0 || !this.isAt(heard.since);
        missingSince = isMissing && page.isLast ? (missingSince ?? performance.now()) : undefined;
        if (page.isLast && !isMissing && heard.isWhole)
          return this.finish([...frames, ...this.framesOf(heard.records)]);
        this.write(frames);
        if (!hasLookedBack && this.at !== undefined && isLongerThan(LOOK_BACK_MS, missingSince)) {
          // A stream that has been made anew gets what it could not take before behind what came since.
          hasLookedBack = true;
          startAt = 'first';
        } else if (isLongerThan(GIVE_UP_MS, missingSince)) {
          const next = this.early[0]?.record;
          await this.stepOver(next, next === undefined ? heard.since : undefined);
          // What is missing behind it may still come.
          missingSince = undefined;
        } else if (page.isLast) await delay(RETRY_MS);
      } finally {
        heard.stop();
      }
    }
  }

  private isAt(position: Position | undefined): boolean {
    return position === undefined || (this.at !== undefined && comparePositions(this.at, position) >= 0);
  }

  private async readPage(startAt: StartAt): Promise<DeliveredPage> {
    for (;;) {
      try {
        return await this.source.page(this.reader.channel.name, startAt);
      } catch (error) {
        if (!this.reader.isActive) return { records: [], isLast: false };
        this.logger.debug(
          { channel: this.reader.channel.name, err: error },
          'a replay could not be read, trying again',
        );
        await delay(5 * RETRY_MS);
      }
    }
  }

  /** Frames of what continues the chain; what does not yet is kept until the link has come. */
  private take(records: readonly StoredDeliverRecord[]): Uint8Array[] {
    const waiting = [...this.early, ...records].sort((a, b) => comparePositions(a.record.position, b.record.position));
    const frames: Uint8Array[] = [];
    let index = 0;
    for (const stored of waiting) {
      const { position, previous } = stored.record;
      const isRepeat = this.at !== undefined && comparePositions(position, this.at) <= 0;
      // What is missing of the past has been told of; what is news may still be on its way to the stream.
      const known = this.at ?? this.newsBehind;
      const isLinked = known === undefined || previous === undefined || comparePositions(previous, known) <= 0;
      if (!isRepeat && !isLinked) break;
      index++;
      if (isRepeat) continue;
      this.at = position;
      if (this.isFor(stored)) frames.push(this.frameOf(stored.record));
    }
    this.early = waiting.slice(index);
    return frames;
  }

  private isFor(stored: StoredDeliverRecord): boolean {
    return this.isForIt(stored.record) && (this.isNews(stored.record) || this.plan.sees(stored));
  }

  /** Whether it came since the subscription began: what the client may see of the past does not matter. */
  private isNews({ position }: Pick<DeliverRecord, 'position'>): boolean {
    return this.startedAt === undefined || comparePositions(position, this.startedAt) > 0;
  }

  /** Changes of members are told when they are news; storage is told by its snapshot. */
  private isForIt(record: DeliverRecord): boolean {
    const { notice, frame, exceptConnectionId } = record;
    if (this.hasSeen(record) || this.wasLogged(record)) return false;
    if (frame.length === 0 || (exceptConnectionId !== undefined && this.reader.chain.includes(exceptConnectionId))) {
      return false;
    }
    if (notice === undefined) return true;
    return notice.kind !== 'storage' && this.isNews(record);
  }

  /** Asked once for each record, in order. */
  private hasSeen({ id }: DeliverRecord): boolean {
    const { ahead } = this;
    if (ahead === undefined) return false;
    if (id >= ahead) this.ahead = undefined;
    return id <= ahead;
  }

  /** Whether it belongs among what was sent from the log. Asked once for each record, in order. */
  private wasLogged({ id, position }: DeliverRecord): boolean {
    const through = this.loggedThrough;
    if (through === undefined) return false;
    const isPlaced = tellsPlace(id, position, partitionOfId(through));
    if (isPlaced && id > through) this.loggedThrough = undefined;
    if (isPlaced) return id <= through;
    // An id that was promised says nothing of its place, which may be one of another life of the stream.
    return !this.isNews({ position }) && position.sequence <= (sequenceOfId(through) ?? 0);
  }

  private frameOf({ id, notice, frame }: DeliverRecord): Uint8Array {
    if (notice === undefined) this.lastId = id;
    return frame;
  }

  private framesOf(records: readonly DeliverRecord[]): Uint8Array[] {
    return records
      .filter((record) => {
        if (this.at !== undefined && comparePositions(record.position, this.at) <= 0) return false;
        this.at = record.position;
        return this.isForIt(record);
      })
      .map((record) => this.frameOf(record));
  }

  /**
   * Goes on behind a hole that the stream does not fill any more: says so, and sends what is stored of it.
   *
   * @param next first message that is there again; `undefined` when only its place is known
   */
  private async stepOver(next: DeliverRecord | undefined, place?: Position): Promise<void> {
    const { channel } = this.reader;
    this.logger.error({ channel: channel.name, at: this.at }, 'a replay has a hole that nothing can fill');
    const after = this.lastId ?? null;
    this.write([Buffer.from(messagesMissedFrame(channel.name, after, next?.id ?? null), 'utf8')]);
    const isEnd = next === undefined;
    await this.sendLogged(
      { after: [this.lastId ?? this.beginId], before: [isEnd ? LAST_ID : next.id] },
      isEnd ? place : undefined,
    );
    if (next !== undefined && this.plan.hole?.next === next) this.early.push({ sequence: 0, record: next });
    this.at = next?.previous ?? place ?? this.at;
  }

  /** @param through not what stands behind this place */
  private async sendLogged({ after, before }: LogRange, through?: Position): Promise<void> {
    const { channel, chain } = this.reader;
    const isWanted = ({ place }: MissedMessage): boolean =>
      through === undefined || (sequenceOfId(place) ?? 0) <= through.sequence;
    for (let from = after; await this.hasRoom();) {
      const rows = (await this.readLog(channel.name, { after: from, before })).filter(isWanted);
      const last = rows.at(-1);
      if (last === undefined || !this.reader.isActive) return;
      from = [last.place];
      this.lastId = last.id;
      this.loggedThrough = last.place;
      this.write(
        rows
          .filter(
            ({ connectionId, event }) =>
              connectionId === null || !chain.includes(connectionId) || this.reader.echoes(event),
          )
          .map(frameOfLogged),
      );
    }
  }

  private async readLog(channel: string, range: LogRange): Promise<readonly MissedMessage[]> {
    for (;;) {
      try {
        return await this.source.log(channel, range, PAGE_BYTES);
      } catch (error) {
        if (!this.reader.isActive) return [];
        this.logger.debug({ channel, err: error }, 'the log could not be read for a replay, trying again');
        await delay(5 * RETRY_MS);
      }
    }
  }

  private write(frames: readonly Uint8Array[]): void {
    if (frames.length > 0) this.reader.socket.write(new FrameBatch(frames));
  }

  private finish(frames: readonly Uint8Array[]): void {
    if (!this.reader.isActive) return;
    const { ahead, at, lastId = '' } = this;
    if (ahead !== undefined) this.reader.goLive(frames, { id: ahead, position: undefined });
    else this.reader.goLive(frames, at === undefined ? undefined : { id: lastId, position: at });
  }

  /** Waits until the client has read most of what it was sent; false when its subscription has ended. */
  private async hasRoom(): Promise<boolean> {
    const { reader } = this;
    let smallest = Infinity;
    let movedAt = performance.now();
    while (reader.isActive && reader.socket.backlogBytes > reader.maxBacklogBytes * WAITING_SHARE) {
      if (reader.socket.backlogBytes < smallest) {
        smallest = reader.socket.backlogBytes;
        movedAt = performance.now();
      } else if (performance.now() - movedAt > STALLED_MS) reader.cutOff();
      await delay(POLL_MS);
    }
    return reader.isActive;
  }
}

function isLongerThan(ms: number, since: number | undefined): boolean {
  return since !== undefined && performance.now() - since > ms;
}

/** What a channel takes in while a page is read. */
class Heard {
  readonly records: DeliverRecord[] = [];
  /** Place of the last message before. */
  readonly since: Position | undefined;
  /** Nothing had to be left out. */
  isWhole = true;
  private bytes = 0;
  private readonly watch: { stop(): void };

  constructor(channel: Channel) {
    this.since = channel.intake.last;
    this.watch = channel.watch((record) => this.hear(record));
  }

  stop(): void {
    this.watch.stop();
  }

  private hear(record: DeliverRecord): void {
    this.bytes += record.frame.length;
    if (this.bytes > PAGE_BYTES) this.isWhole = false;
    if (this.isWhole) this.records.push(record);
  }
}

/** As the sequencer made it. */
export function frameOfLogged({ data, meta, ...message }: MissedMessage): Buffer {
  return Buffer.from(messageFrame({ ...message, dataJson: data, metaJson: meta ?? undefined }), 'utf8');
}
