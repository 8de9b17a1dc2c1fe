import { setTimeout as delay } from 'node:timers/promises';
import { comparePositions, type DeliverRecord, type Position } from '@hearth/wire';
import { sequenceOfId } from '@hearth/protocol';
import { warnSeldom } from '@hearth/runtime';
import {
  assertDeliverLife,
  deliverExtent,
  lastDelivered,
  readDelivered,
  StreamUnavailableError,
  type DeliverSubscription,
  type StoredDeliverRecord,
} from '@hearth/stream';
import { installationNow, within } from '@hearth/timing';
import type { ResumeStart } from '../resume/resume-token';
import type { IntakeHost, IntakeReader } from './intake-host';

/** A place in a channel where messages are missing that nobody has any more. */
export interface Hole {
  /** The first message behind it; `undefined` when the newest ones are missing. */
  readonly next: DeliverRecord | undefined;
  /** Where the hole ends, without a next message. */
  readonly end: Position;
}

/** A message of the channel that a subscriber has seen elsewhere. */
export interface Seen {
  readonly id: string;
  /** `undefined` when it is not known. */
  readonly position: Position | undefined;
}

/**
 * Live messages that wait for a catch-up, per channel. Past it they are dropped from memory, because the deliver stream
 * holds them too, and read again from there.
 */
const MAX_HELD_BYTES = 8 * 1_048_576;
/** The stream stores a message a moment after its live copy is sent, so the first look can come too early. */
const RETRY_MS = 50;
/** While the stream cannot be read, no channel asks for it more often. */
const FAILED_RETRY_MS = 500;
/** So many looks at the same place find what is only late; after them the gap must be elsewhere. */
const LOOKS_NEARBY = 3;
/** Whoever subscribes is not kept waiting longer by one attempt. */
const CAUGHT_UP_WITHIN_MS = 2_000;
/**
 * A gap that a look at the whole stream, begun after this time, does not fill is a hole: it does not stop the channel any
 * longer. Longer than a sequencer takes to send again what the stream did not confirm.
 */
const GIVE_UP_MS = 3_000;
const REUSED = 'places that it has taken come again with other messages';

/**
 * Takes the messages of one channel in and keeps their chain unbroken.
 *
 * - opening: the interest is registered in NATS and the channel's last position is looked up; live messages are held.
 * - live: each message names the one before it. One that was seen before is dropped; one that continues the chain is
 *   passed on; one with a missing link begins a catch-up.
 * - catching up: live messages are held while what is missing is read from the deliver stream and passed on first.
 * - closed: nobody needs it; the interest is gone.
 */
export class Intake {
  /** Resolves when everything published from now on will be passed on; rejects when NATS does not agree. */
  readonly opened: Promise<void>;
  isOpen = false;
  isClosed = false;
  /** Place of the last message that was taken in; `undefined` when none is known. */
  last: Position | undefined;
  /** Its id. */
  lastId: string | undefined;
  /** The life of the deliver stream in which it was opened: when that was created, ms since 1970. */
  openedInMs = 0;

  /** Up to there nothing is for anybody here: it had been sent before. */
  private before: Position | undefined;
  private readonly interest: DeliverSubscription;
  /** `undefined` while it is live. */
  private held: DeliverRecord[] | undefined = [];
  private heldBytes = 0;
  /** Called when it is live again. */
  private waiting: (() => void)[] = [];
  private catchingUp = false;
  /** The catch-up under way may have missed something and must read once more. */
  private readAgain = false;
  /** The deliver stream holds a message at this place, as the partition's owner says. */
  private expected: Position | undefined;
  /** The deliver stream's messages up to here have been taken into account. */
  private readSequence = 0;
  /** The deliver stream ended there before this channel was looked up in it. */
  private openedBehind = 0;
  /** The deliver stream's newest message of this channel when it was opened: nobody here waits for an older one. */
  private openSequence = 0;
  /** When the deliver stream was created that these sequences are of, ms since 1970; 0 while that is not known. */
  private createdMs = 0;

  constructor(
    readonly name: string,
    private readonly host: IntakeHost,
    private readonly reader: IntakeReader,
  ) {
    this.before = host.sentThrough(name);
    this.interest = host.deliver.subscribe(name, (record) => this.take(record));
    this.opened = this.open();
    // Whoever waits is told; a rejection that nobody waits for must not end the process.
    this.opened.catch(() => undefined);
  }

  close(): void {
    this.isClosed = true;
    this.interest.close();
  }

  /** Where the right of a subscriber begins that comes now (resume §2, `from`). */
  end(): ResumeStart {
    const { last = this.before, lastId, host } = this;
    const ownSequence = this.createdMs === host.streamCreatedMs ? Math.max(this.openedBehind, this.readSequence) : 0;
    return {
      position: last,
      id: lastId,
      streamCreatedMs: host.streamCreatedMs,
      streamSequence: Math.max(host.safeSequence, ownSequence),
      atMs: installationNow(),
    };
  }

  /** Looks for a message that the deliver stream holds, as the partition's owner says, unless it has come here by now. */
  expect(position: Position): void {
    if (this.isClosed || !isBefore(this.last, position) || !isBefore(this.expected, position)) return;
    this.expected = position;
    // One that opens or catches up looks for it by itself.
    if (this.isOpen && !this.catchingUp) void this.catchUp();
  }

  /** Whether nothing is known to be missing. */
  get isLive(): boolean {
    return this.held === undefined;
  }

  /**
   * Resolves when it has become live: whoever comes before gets what it has still to catch up with, however old that is.
   *
   * @throws StreamUnavailableError when that takes too long
   */
  async caughtUp(): Promise<void> {
    try {
      await within(CAUGHT_UP_WITHIN_MS, new Promise<void>((resolve) => this.waiting.push(resolve)));
    } catch (error) {
      throw new StreamUnavailableError('channel: it cannot be joined at the moment', { cause: error });
    }
  }

  /** Whether a message that was seen elsewhere may not have come here yet. */
  isBehind({ id, position }: Seen): boolean {
    if (this.last === undefined || this.lastId === undefined) return true;
    return position === undefined ? id > this.lastId : comparePositions(position, this.last) > 0;
  }

  /**
   * Holds live messages back from now on, because some may have been lost on the way.
   *
   * @returns whether `restore` and `resume` shall follow; otherwise the channel sees to it by itself
   */
  holdBack(): boolean {
    if (!this.isOpen || this.catchingUp) {
      this.readAgain = true;
      return false;
    }
    this.catchingUp = true;
    this.held = [];
    this.heldBytes = 0;
    return true;
  }

  /**
   * Takes in what was read from the deliver stream, up to the first missing link. Usually it is in order, but a message
   * that the stream did not confirm is sent again, behind those that came after it, and so is what a sequencer sends that
   * lost its partition.
   *
   * @param createdMs when the stream was created that it was read from, ms since 1970
   * @param atAnyRate do not stop at a missing link
   * @returns whether there was none
   */
  restore(found: readonly StoredDeliverRecord[], createdMs: number, atAnyRate = false): boolean {
    this.noteCreation(createdMs);
    const inOrder = [...found].sort((a, b) => comparePositions(a.record.position, b.record.position));
    for (const { record, sequence } of inOrder) {
      if (this.isReused(record)) this.reader.distrust(REUSED);
      if (this.isClosed) return false;
      if (!this.isRepeat(record)) {
        // What is older than the channel's opening was there before anybody subscribed: `last` had been taken from a late
        // repeat of an older message.
        if (sequence <= this.openSequence) this.moveTo(record);
        else if (this.continues(record)) this.accept(record);
        else if (!atAnyRate) {
          this.readAgain = true;
          return false;
        } else {
          this.miss({ next: record, end: record.position });
          this.accept(record);
        }
      }
      this.readSequence = Math.max(this.readSequence, sequence);
    }
    return true;
  }

  /**
   * Goes on after `holdBack`: delivers what was held.
   *
   * @param readMore the channel shall first read the deliver stream by itself, as it does when a gap is left
   */
  resume(readMore: boolean): void {
    this.catchingUp = false;
    if (readMore || this.readAgain || this.isGapAhead()) void this.catchUp();
    else this.deliverHeld();
  }

  private async open(): Promise<void> {
    try {
      await this.interest.active;
      const { streamEnd, streamCreatedMs } = this.host;
      this.openedInMs = streamCreatedMs || Date.parse((await deliverExtent(this.host.stream)).created);
      this.before ??= this.host.sentThrough(this.name);
      const stored = await lastDelivered(this.host.stream, this.name);
      this.last = stored?.record.position;
      this.lastId = stored?.record.id;
      this.readSequence = stored?.sequence ?? 0;
      this.openSequence = this.readSequence;
      this.openedBehind = streamEnd;
      this.createdMs = streamCreatedMs;
    } catch (error) {
      this.close();
      throw new StreamUnavailableError('channel: it cannot be joined at the moment', { cause: error });
    }
    this.isOpen = true;
    if (this.readAgain || this.isBehindOwner()) void this.catchUp();
    else this.deliverHeld();
  }

  /** A stream that was created anew counts from 1 again: what is known of the old one says nothing about it. */
  private noteCreation(createdMs: number): void {
    if (this.createdMs !== 0 && createdMs !== this.createdMs)
      this.openSequence = this.openedBehind = this.readSequence = 0;
    this.createdMs = createdMs;
  }

  /** A live message. */
  private take(record: DeliverRecord): void {
    if (this.held !== undefined) this.hold(record, this.held);
    else if (this.isReused(record)) this.reader.distrust(REUSED);
    else if (this.isRepeat(record)) return;
    else if (this.continues(record) || this.reader.users === 0) this.accept(record);
    else {
      this.held = [record];
      this.heldBytes = record.frame.length;
      void this.catchUp();
    }
  }

  private hold(record: DeliverRecord, held: DeliverRecord[]): void {
    held.push(record);
    this.heldBytes += record.frame.length;
    if (this.heldBytes <= MAX_HELD_BYTES) return;
    held.length = 0;
    this.heldBytes = 0;
    this.readAgain = true;
  }

  private accept(record: DeliverRecord): void {
    this.moveTo(record);
    this.reader.take(record);
  }

  private moveTo({ position, id }: DeliverRecord): void {
    this.last = position;
    this.lastId = id;
  }

  private isRepeat(record: DeliverRecord): boolean {
    return this.last !== undefined && comparePositions(record.position, this.last) <= 0;
  }

  /**
   * Whether it has a place that has come by, and is another message: ids that places make rise with these. A power cut took the
   * tails of the streams, and whoever gave the places out before has ended with them.
   */
  private isReused(record: DeliverRecord): boolean {
    const { last, lastId = '' } = this;
    if (last === undefined || !this.isRepeat(record) || record.id <= lastId) return false;
    return sequenceOfId(lastId) === last.sequence && sequenceOfId(record.id) === record.position.sequence;
  }

  /** Whether no message lies between the last one and this one, as far as its sender knew. */
  private continues({ previous }: DeliverRecord): boolean {
    const { last = this.before } = this;
    return previous === undefined || !isBefore(last, previous);
  }

  private isGapAhead(): boolean {
    const next = this.held?.find((record) => !this.isRepeat(record));
    return next === undefined ? this.isBehindOwner() : !this.continues(next);
  }

  private isBehindOwner(): boolean {
    return this.expected !== undefined && isBefore(this.last, this.expected);
  }

  private deliverHeld(): void {
    const held = this.held ?? [];
    this.held = undefined;
    this.heldBytes = 0;
    for (const record of held) this.take(record);
    for (const goOn of this.waiting.splice(0)) goOn();
  }

  /**
   * Reads what is missing from the deliver stream. The first look begins shortly before now, where the gap most likely
   * is; if the link is not there, the next begins where this channel last read, and the last at the stream's beginning
   * (the stream may have been created anew).
   */
  private async catchUp(): Promise<void> {
    this.catchingUp = true;
    this.held ??= [];
    const starts = [Math.max(this.host.safeSequence, this.readSequence) + 1, this.readSequence + 1, 1];
    let giveUpAt = performance.now() + GIVE_UP_MS;
    for (let looks = 1; ; looks++) {
      this.readAgain = false;
      const isLastLook = starts.length === 1 && performance.now() > giveUpAt;
      const look = await this.readFrom(starts[0] ?? 1, isLastLook);
      if (this.isClosed) return;
      if (look === 'whole' && !this.readAgain && !this.isGapAhead()) break;
      // What could not be read is no proof of anything.
      if (isLastLook && look !== 'failed') {
        this.stepOver();
        break;
      }
      if (starts.length > 1 && (look === 'broken' || looks >= LOOKS_NEARBY)) starts.shift();
      // What could not be stored meanwhile is sent again when the stream is back.
      if (look === 'failed' || !this.host.stream.isConnected) giveUpAt = performance.now() + GIVE_UP_MS;
      // Each look from the beginning reads the channel's last minutes again.
      const pause = starts.length > 1 ? RETRY_MS : 5 * RETRY_MS;
      await delay(look === 'failed' ? FAILED_RETRY_MS : pause);
    }
    this.host.metrics.catchUps.inc();
    this.catchingUp = false;
    this.deliverHeld();
  }

  /**
   * @param atAnyRate deliver what is there even if a link of the chain is missing
   * @returns `failed` when it could not be read, `broken` when a link is missing
   */
  private async readFrom(sequence: number, atAnyRate: boolean): Promise<'whole' | 'broken' | 'failed'> {
    const { stream } = this.host;
    const found: StoredDeliverRecord[] = [];
    const sentThrough = this.host.sentThrough(this.name);
    let created: string;
    try {
      ({ created } = await deliverExtent(stream));
      await readDelivered(stream, { sequence }, this.name, (_subject, stored) => found.push(stored));
      await assertDeliverLife(stream, created);
    } catch (error) {
      warnSeldom(this.host.logger, { channel: this.name, err: error }, 'catching up failed, trying again');
      return 'failed';
    }
    // A gateway that has just begun did not know it yet. What is not found of it, nobody has any more.
    if (sequence === 1) this.before ??= sentThrough;
    return !this.isClosed && this.restore(found, Date.parse(created), atAnyRate) ? 'whole' : 'broken';
  }

  /** The stream does not have what is missing: the channel goes on without it. */
  private stepOver(): void {
    const { expected } = this;
    this.expected = undefined;
    const next = this.held?.find((record) => !this.isRepeat(record));
    if (next !== undefined) {
      if (this.continues(next)) return;
      this.miss({ next, end: next.position });
      this.accept(next);
    } else if (expected !== undefined && isBefore(this.last, expected)) {
      this.miss({ next, end: expected });
      this.last = expected;
    }
  }

  private miss(hole: Hole): void {
    // Nothing is known of the time before it was opened; what is named is most likely from then.
    if ((this.last ?? this.before) === undefined && hole.next !== undefined) return;
    this.host.metrics.catchUpsFailed.inc();
    this.host.logger.error(
      { channel: this.name, last: this.last, end: hole.end },
      'a gap in a channel could not be filled: the deliver stream does not have the missing messages any more',
    );
    this.reader.miss(hole);
  }
}

function isBefore(one: Position | undefined, other: Position): boolean {
  return one === undefined || comparePositions(one, other) < 0;
}
