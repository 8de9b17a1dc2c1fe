import { setTimeout as delay } from 'node:timers/promises';
import { comparePositions, DeliverRecord, JoinedNotice, Position } from '@hearth/wire';
import { Logger, Metrics } from '@hearth/runtime';
import { within } from '@hearth/timing';
import {
  DeliverSubscriber,
  DeliverSubscription,
  lastDelivered,
  readDelivered,
  StoredDeliverRecord,
  StreamConnection,
  StreamUnavailableError,
} from '@hearth/stream';
import { ClientSocket } from '../frames/client-socket';
import { FrameBatch } from '../frames/frame-batch';

/** Where the frames of a subscriber go. */
export type Outlet = Pick<ClientSocket, 'isOpen' | 'backlogBytes' | 'write'>;

/** A connection's place in a channel. */
export interface Subscriber {
  readonly connectionId: string;
  readonly socket: Outlet;
  /** Where the channel keeps it; the channel's business only. */
  slot: number;
  /** Whether it shall be told of a changed storage entry now. Asked once for each change, in order. */
  takesStorage(key: string, change: DeliverRecord): boolean;
  /** Called when it does not read what it is sent. */
  cutOff(): void;
}

/** A message of the channel that a subscriber has seen elsewhere. */
export interface Seen {
  readonly id: string;
  /** `undefined` when it is not known. */
  readonly position: Position | undefined;
}

/** A connection that waits for the record of its joining. */
interface ExpectedJoin {
  readonly attempt: number;
  readonly enter: (membersJson: string) => void;
}

/** What the channels of a gateway share. */
export interface ChannelParts {
  readonly stream: StreamConnection;
  readonly deliver: DeliverSubscriber;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly maxBacklogBytes: number;
  /** Calls `channel.flush()` at the end of this turn of the event loop. */
  flushSoon(channel: Channel): void;
  /** A sequence of the deliver stream up to which everything has certainly reached this gateway. */
  safeSequence(): number;
  isLocal(connectionId: string): boolean;
}

/** NATS must confirm an interest within this time. */
const OPEN_TIMEOUT_MS = 5_000;
/**
 * Live messages that wait for a catch-up, per channel. Past it they are dropped from memory, because the deliver stream
 * holds them too, and read again from there.
 */
const MAX_HELD_BYTES = 8 * 1_048_576;
/** The stream stores a message a moment after its live copy is sent, so the first look can come too early. */
const RETRY_MS = 50;
/** So many looks at the same place find what is only late; after them the gap must be elsewhere. */
const LOOKS_NEARBY = 3;
/**
 * A gap that cannot be filled within this time, while NATS is there, does not stop the channel any longer. Longer than a
 * sequencer takes to send again what the stream did not confirm.
 */
const GIVE_UP_MS = 3_000;

/**
 * One channel on this gateway: its subscribers, and the intake that keeps its chain of messages unbroken.
 *
 * - opening: the interest is registered in NATS and the channel's last position is looked up; live messages are held.
 * - live: each message names the one before it. One that was seen before is dropped; one that continues the chain is
 *   delivered; one with a missing link begins a catch-up.
 * - catching up: live messages are held while what is missing is read from the deliver stream and delivered first.
 * - closed: nobody needs it; the interest is gone.
 *
 * Messages that arrive during one turn of the event loop are gathered and written to every subscriber in one piece.
 * They are written before the set of subscribers changes, so a subscriber gets exactly what came while it was one.
 */
export class Channel {
  /** Resolves when everything published from now on will reach the subscribers; rejects when NATS does not agree. */
  readonly opened: Promise<void>;
  isOpen = false;
  isClosed = false;
  /** Subscribers, and connections that are about to become one. */
  users = 0;
  /** When the last user left, ms; only meaningful without users. */
  idleSince = 0;
  /** Place of the last message that was taken in; `undefined` when none is known. */
  last: Position | undefined;
  /** Its id. */
  lastId: string | undefined;

  private readonly interest: DeliverSubscription;
  private readonly subscribers: Subscriber[] = [];
  private pending: DeliverRecord[] = [];
  private held: DeliverRecord[] | undefined = [];
  private heldBytes = 0;
  private catchingUp = false;
  /** The catch-up under way may have missed something and must read once more. */
  private readAgain = false;
  private watchers: Set<(record: DeliverRecord) => void> | undefined;
  /** The deliver stream's messages up to here have been taken into account. */
  private readSequence = 0;
  /** The deliver stream's newest message of this channel when it was opened: nobody here waits for an older one. */
  private openSequence = 0;
  /** Subscribers that have seen messages elsewhere that have not come here yet: the last one, by connection. */
  private ahead: Map<string, Seen> | undefined;
  /** Connections that are about to enter this presence channel, by id. */
  private entering: Map<string, ExpectedJoin> | undefined;
  private rotation = 0;

  constructor(
    readonly name: string,
    private readonly parts: ChannelParts,
  ) {
    this.interest = parts.deliver.subscribe(name, (record) => this.take(record));
    this.opened = this.open();
    // Whoever waits is told; a rejection that nobody waits for must not end the process.
    this.opened.catch(() => undefined);
  }

  /**
   * Adds a subscriber, which gets `welcome` before anything else of the channel. Only while open.
   *
   * @param seen the last message that it has seen; a gateway that was ahead of this one may have shown it
   */
  add(subscriber: Subscriber, welcome: () => void, seen?: Seen): void {
    this.flush();
    if (seen !== undefined && this.isBehind(seen)) (this.ahead ??= new Map()).set(subscriber.connectionId, seen);
    subscriber.slot = this.subscribers.length;
    this.subscribers.push(subscriber);
    this.parts.metrics.subscriptions.add(1);
    welcome();
  }

  /** Removes a subscriber that has got everything up to now, and gets nothing of the channel any more. */
  remove(subscriber: Subscriber): void {
    if (subscriber.socket.isOpen) this.flush();
    this.ahead?.delete(subscriber.connectionId);
    const moved = this.subscribers.pop();
    if (moved !== undefined && moved !== subscriber) {
      this.subscribers[subscriber.slot] = moved;
      moved.slot = subscriber.slot;
    }
    this.parts.metrics.subscriptions.add(-1);
    this.release();
  }

  /** Shows every message that is taken in from now on, before subscribers get it. */
  watch(watcher: (record: DeliverRecord) => void): { stop(): void } {
    (this.watchers ??= new Set()).add(watcher);
    return {
      stop: () => {
        this.watchers?.delete(watcher);
        if (this.watchers?.size === 0) this.watchers = undefined;
      },
    };
  }

  /**
   * Calls `enter` with the member list at the record that says that the connection has entered: what came before it was
   * for the others only, and what comes after it is for the connection too.
   *
   * @param attempt as in the `join`: an earlier one may still come, and is undone by the leave behind it
   * @returns `cancel` gives whether the record had not come yet; it is not waited for any more
   */
  expect(connectionId: string, attempt: number, enter: (membersJson: string) => void): { cancel(): boolean } {
    const entering = { attempt, enter };
    (this.entering ??= new Map()).set(connectionId, entering);
    // By now it may be a later attempt that waits.
    return { cancel: () => this.entering?.get(connectionId) === entering && this.entering.delete(connectionId) };
  }

  /** Gives back what `Hub.use` took. */
  release(): void {
    this.users--;
    if (this.users === 0) this.idleSince = Date.now();
  }

  close(): void {
    this.isClosed = true;
    this.interest.close();
  }

  /** Writes what has been gathered to all subscribers. */
  flush(): void {
    const records = this.pending;
    const count = this.subscribers.length;
    if (records.length === 0) return;
    this.pending = [];
    if (count === 0) return;
    const batch = new FrameBatch(records.map(({ frame }) => frame));
    const leftOut = this.leftOut(records);
    const hasStorage = records.some(({ notice }) => notice?.kind === 'storage');
    const isForAll = leftOut === undefined && !hasStorage;
    let hidden = 0;
    const slow: Subscriber[] = [];
    // Begin with another subscriber each time, so that nobody is always the last to hear.
    this.rotation = (this.rotation + 1) % count;
    for (let i = this.rotation, n = 0; n < count; n++) {
      const subscriber = this.subscribers[i];
      if (subscriber === undefined) break;
      if (subscriber.socket.backlogBytes > this.parts.maxBacklogBytes) slow.push(subscriber);
      else if (isForAll) subscriber.socket.write(batch);
      else {
        const except = leftOut?.get(subscriber.connectionId);
        const notForIt = hasStorage ? withoutStorage(subscriber, records, except) : except;
        const hiddenHere = notForIt?.length ?? 0;
        hidden += hiddenHere;
        // Who gets nothing is not written to: an empty write would count as traffic.
        if (hiddenHere < records.length) subscriber.socket.write(batch, notForIt);
      }
      i = i + 1 === count ? 0 : i + 1;
    }
    this.parts.metrics.delivered.inc(batch.length * (count - slow.length) - hidden);
    for (const subscriber of slow) subscriber.cutOff();
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
   * @param atAnyRate do not stop at a missing link
   * @returns whether there was none
   */
  restore(found: readonly StoredDeliverRecord[], atAnyRate = false): boolean {
    for (const { record, sequence } of inOrder(found)) {
      if (!this.isRepeat(record)) {
        // What is older than the channel's opening was there before anybody subscribed: `last` had been taken from a late
        // repeat of an older message.
        if (sequence <= this.openSequence) this.moveTo(record);
        else if (this.last === undefined || this.continues(record)) this.accept(record);
        else if (!atAnyRate) {
          this.readAgain = true;
          return false;
        } else {
          this.reportLoss('the deliver stream has lost messages');
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
      await within(OPEN_TIMEOUT_MS, this.interest.active);
      const stored = await lastDelivered(this.parts.stream, this.name);
      this.last = stored?.record.position;
      this.lastId = stored?.record.id;
      this.readSequence = stored?.sequence ?? 0;
      this.openSequence = this.readSequence;
    } catch (error) {
      this.close();
      throw new StreamUnavailableError('channel: it cannot be joined at the moment', { cause: error });
    }
    this.isOpen = true;
    if (this.readAgain) void this.catchUp();
    else this.deliverHeld();
  }

  /** A live message. */
  private take(record: DeliverRecord): void {
    if (this.held !== undefined) this.hold(record, this.held);
    else if (this.isRepeat(record)) return;
    else if (this.continues(record) || this.users === 0) this.accept(record);
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
    for (const watcher of this.watchers ?? []) watcher(record);
    if (record.notice?.kind === 'presence') this.letIn(record.notice.joined);
    if (this.subscribers.length === 0 || record.frame.length === 0) return;
    if (this.pending.push(record) === 1) this.parts.flushSoon(this);
  }

  private letIn(joined: JoinedNotice | undefined): void {
    const entering = joined === undefined ? undefined : this.entering?.get(joined.connectionId);
    if (joined === undefined || entering?.attempt !== joined.attempt) return;
    this.entering?.delete(joined.connectionId);
    entering.enter(joined.members.toString('utf8'));
  }

  private moveTo({ position, id }: DeliverRecord): void {
    this.last = position;
    this.lastId = id;
  }

  private isRepeat(record: DeliverRecord): boolean {
    return this.last !== undefined && comparePositions(record.position, this.last) <= 0;
  }

  /** Whether no message lies between the last one and this one, as far as its sender knew. */
  private continues({ previous }: DeliverRecord): boolean {
    if (previous === undefined) return true;
    return this.last !== undefined && comparePositions(previous, this.last) <= 0;
  }

  private isGapAhead(): boolean {
    const next = this.held?.find((record) => !this.isRepeat(record));
    return next !== undefined && !this.continues(next);
  }

  private deliverHeld(): void {
    const held = this.held ?? [];
    this.held = undefined;
    this.heldBytes = 0;
    for (const record of held) this.take(record);
  }

  /**
   * Reads what is missing from the deliver stream. The first look begins shortly before now, where the gap most likely
   * is; if the link is not there, the next begins where this channel last read, and the last at the stream's beginning
   * (the stream may have been created anew).
   */
  private async catchUp(): Promise<void> {
    this.catchingUp = true;
    this.held ??= [];
    const starts = [Math.max(this.parts.safeSequence(), this.readSequence) + 1, this.readSequence + 1, 1];
    let giveUpAt = Date.now() + GIVE_UP_MS;
    for (let looks = 1; ; looks++) {
      this.readAgain = false;
      const isLastLook = Date.now() > giveUpAt;
      const complete = await this.readFrom(starts[0] ?? 1, isLastLook);
      if (this.isClosed) return;
      if (complete && !this.readAgain && !this.isGapAhead()) break;
      if (isLastLook) {
        this.reportLoss('the deliver stream does not have the missing messages');
        break;
      }
      if (starts.length > 1 && (!complete || looks >= LOOKS_NEARBY)) starts.shift();
      if (!this.parts.stream.isConnected) giveUpAt = Date.now() + GIVE_UP_MS;
      // Each look from the beginning reads the channel's last minutes again.
      await delay(starts.length > 1 ? RETRY_MS : 5 * RETRY_MS);
    }
    this.parts.metrics.catchUps.inc();
    this.catchingUp = false;
    this.deliverHeld();
  }

  /**
   * @param atAnyRate deliver what is there even if a link of the chain is missing
   * @returns false when it could not be read, or a link is missing
   */
  private async readFrom(sequence: number, atAnyRate: boolean): Promise<boolean> {
    const found: StoredDeliverRecord[] = [];
    try {
      await readDelivered(this.parts.stream, { sequence }, this.name, (_subject, stored) => found.push(stored));
    } catch (error) {
      this.parts.logger.warn({ channel: this.name, err: error }, 'catching up failed, trying again');
      return false;
    }
    return !this.isClosed && this.restore(found, atAnyRate);
  }

  private isBehind({ id, position }: Seen): boolean {
    if (this.last === undefined || this.lastId === undefined) return true;
    return position === undefined ? id > this.lastId : comparePositions(position, this.last) > 0;
  }

  private reportLoss(why: string): void {
    this.parts.metrics.catchUpsFailed.inc();
    this.parts.logger.error({ channel: this.name, last: this.last }, `a gap in a channel could not be filled: ${why}`);
  }

  /**
   * Positions in the batch that a subscriber must not get, by connection: its own messages without `echo`, and what it
   * has seen elsewhere.
   */
  private leftOut(records: readonly DeliverRecord[]): ReadonlyMap<string, readonly number[]> | undefined {
    let leftOut: Map<string, number[]> | undefined;
    const leave = (connectionId: string, index: number): void => {
      leftOut ??= new Map();
      const indexes = leftOut.get(connectionId);
      if (indexes === undefined) leftOut.set(connectionId, [index]);
      else if (indexes.at(-1) !== index) indexes.push(index);
    };
    records.forEach((record, index) => {
      const { exceptConnectionId } = record;
      if (exceptConnectionId !== undefined && this.parts.isLocal(exceptConnectionId)) leave(exceptConnectionId, index);
      for (const [connectionId, seen] of this.ahead ?? []) {
        const isKnown = isUpTo(record, seen);
        if (isKnown) leave(connectionId, index);
        // What follows the very message is new, whatever its id looks like.
        if (!isKnown || record.id === seen.id) this.ahead?.delete(connectionId);
      }
    });
    return leftOut;
  }
}

/** Positions in the batch that a subscriber must not get, ascending: those given, and storage it is not to be told of. */
function withoutStorage(
  subscriber: Subscriber,
  records: readonly DeliverRecord[],
  leftOut: readonly number[] = [],
): readonly number[] {
  return [...records.keys()].filter((index) => {
    const record = records[index];
    if (record?.notice?.kind !== 'storage') return leftOut.includes(index);
    return !subscriber.takesStorage(record.notice.key, record) || leftOut.includes(index);
  });
}

function isUpTo({ id, position }: DeliverRecord, seen: Seen): boolean {
  return seen.position === undefined ? id <= seen.id : comparePositions(position, seen.position) <= 0;
}

function inOrder(found: readonly StoredDeliverRecord[]): readonly StoredDeliverRecord[] {
  return [...found].sort((a, b) => comparePositions(a.record.position, b.record.position));
}
