import { InvariantBroken, warnSeldom } from '@hearth/runtime';
import { comparePositions, type DeliverRecord, type JoinedNotice, type Position } from '@hearth/wire';
import type { ClientSocket } from '../frames/client-socket';
import { FrameBatch } from '../frames/frame-batch';
import { MemberGathering } from './member-gathering';
import { Intake, type Hole, type Seen } from './intake';
import type { IntakeHost, IntakeReader } from './intake-host';

/** Where the frames of a subscriber go. */
export type Outlet = Pick<ClientSocket, 'isOpen' | 'backlogBytes' | 'backlog' | 'write'>;

/** A connection's place in a channel. */
export interface Subscriber {
  readonly connectionId: string;
  readonly socket: Outlet;
  /** Where the channel keeps it; the channel's business only. */
  slot: number;
  /** Of the channel's last message when it was added; the channel's business, too. */
  since: Position | undefined;
  /** Whether it shall be told of a changed storage entry now. Asked once for each change, in order. */
  takesStorage(key: string, change: DeliverRecord): boolean;
  /** Called when it does not read what it is sent. */
  cutOff(): void;
  /** Called when the channel cannot be relied upon: the connection shall begin anew. It is no subscriber any longer. */
  abandon(): void;
  /**
   * Called when messages cannot be had any more. It is no subscriber any longer, though it still uses the channel.
   *
   * @param lastId id of the last message that it was sent here
   */
  miss(lastId: string | undefined, hole: Hole): void;
}

/** A connection that waits for the record of its joining. */
interface ExpectedJoin {
  readonly attempt: number;
  readonly enter: (membersJson: string) => void;
}

/** Subscriptions of one channel here. */
class SubscriptionCount {
  all = 0;
  /** Without those of claim `omitFromSubCount`. */
  counted = 0;

  change(isCounted: boolean, by: 1 | -1): void {
    this.all += by;
    if (isCounted) this.counted += by;
  }
}

/** What the channels of a gateway share. */
export interface ChannelHost extends IntakeHost {
  readonly maxBacklogBytes: number;
  /** Knows which connections are this gateway's. */
  readonly registry: { has(connectionId: string): boolean };
  /** Calls `channel.flush()` at the end of this turn of the event loop. */
  flushSoon(channel: Channel): void;
  /** Whoever uses that name from now on gets a new channel. */
  forget(channel: Channel): void;
}

/**
 * One channel on this gateway: its subscribers, and what they get of what the channel's intake takes in.
 *
 * Messages that arrive during one turn of the event loop are gathered and written to every subscriber in one piece.
 * They are written before the set of subscribers changes, so a subscriber gets exactly what came while it was one.
 */
export class Channel implements IntakeReader {
  readonly intake: Intake;
  /** Also those that are still being sent what they missed, and are no subscribers yet. */
  readonly subscriptions = new SubscriptionCount();
  /** Subscribers, and connections that are about to become one. */
  users = 0;
  /** When the last user left, ms; only meaningful without users. */
  idleSince = 0;

  private subscribers: Subscriber[] = [];
  /** The last message, or reaction, that was passed on; without its frame, which holds whatever it arrived with. */
  private lastMessage: Pick<DeliverRecord, 'id' | 'position'> | undefined;
  private pending: DeliverRecord[] = [];
  private watchers: Set<(record: DeliverRecord) => void> | undefined;
  /** Subscribers that have seen messages elsewhere that have not come here yet: the last one, by connection. */
  private ahead: Map<string, Seen> | undefined;
  /** Connections that are about to enter this presence channel, by id. */
  private entering: Map<string, ExpectedJoin> | undefined;
  private rotation = 0;
  private members: MemberGathering | undefined;
  /** What is pending holds records from before some subscribers came. */
  private hasLate = false;
  /** Place of the last record that was taken: `Intake` has its own, and both must agree. */
  private taken: Position | undefined;

  constructor(
    readonly name: string,
    private readonly host: ChannelHost,
  ) {
    this.intake = new Intake(name, host, this);
  }

  /**
   * Adds a subscriber, which gets `welcome` before anything else of the channel. Only while open.
   *
   * @param seen the last message that it has seen; a gateway that was ahead of this one may have shown it
   */
  add(subscriber: Subscriber, welcome: () => void, seen?: Seen): void {
    // It was given up while this one was on its way here.
    if (this.intake.isClosed) return subscriber.abandon();
    this.flush();
    if (seen !== undefined && this.intake.isBehind(seen)) (this.ahead ??= new Map()).set(subscriber.connectionId, seen);
    subscriber.slot = this.subscribers.length;
    subscriber.since = this.intake.last;
    // The first push to an empty list would make room for sixteen more; most channels have one subscriber.
    if (subscriber.slot === 0) this.subscribers = [subscriber];
    else this.subscribers.push(subscriber);
    this.host.metrics.subscriptions.add(1);
    welcome();
  }

  /** Removes a subscriber that has got everything up to now, and gets nothing of the channel any more. */
  remove(subscriber: Subscriber): void {
    // It still gets what it missed, and is none yet.
    if (subscriber.slot < 0) return this.release();
    if (subscriber.socket.isOpen) this.flush();
    this.ahead?.delete(subscriber.connectionId);
    if (this.subscribers[subscriber.slot] !== subscriber) {
      this.giveUp(new InvariantBroken('own-slot', `${subscriber.slot} of ${this.subscribers.length}`));
      return this.release();
    }
    const moved = this.subscribers.pop();
    if (moved !== undefined && moved !== subscriber) {
      this.subscribers[subscriber.slot] = moved;
      moved.slot = subscriber.slot;
    }
    this.host.metrics.subscriptions.add(-1);
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
    if (this.users === 0) this.idleSince = performance.now();
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
      if (subscriber.socket.backlogBytes > this.host.maxBacklogBytes) slow.push(subscriber);
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
    this.host.metrics.delivered.inc(batch.length * (count - slow.length) - hidden);
    for (const subscriber of slow) subscriber.cutOff();
  }

  miss(hole: Hole): void {
    this.flush();
    const { lastMessage } = this;
    const concerned = this.subscribers.filter((one) => !this.isBehind(hole, one));
    this.subscribers = this.subscribers.filter((one) => this.isBehind(hole, one));
    this.subscribers.forEach((one, slot) => (one.slot = slot));
    if (this.subscribers.length === 0) this.members?.drop();
    this.host.metrics.subscriptions.add(-concerned.length);
    for (const subscriber of concerned) {
      subscriber.slot = -1;
      this.ahead?.delete(subscriber.connectionId);
      const { since } = subscriber;
      const wasSent =
        lastMessage !== undefined && (since === undefined || comparePositions(lastMessage.position, since) > 0);
      subscriber.miss(wasSent ? lastMessage.id : undefined, hole);
    }
  }

  /** Whether a subscriber has seen elsewhere what is behind the hole, and was told of that by its replay. */
  private isBehind({ next, end }: Hole, { connectionId }: Subscriber): boolean {
    const seen = this.ahead?.get(connectionId)?.position;
    return seen !== undefined && comparePositions(seen, next?.previous ?? end) >= 0;
  }

  take(record: DeliverRecord): void {
    const { position, previous } = record;
    if (this.taken !== undefined && comparePositions(position, this.taken) <= 0) {
      return this.giveUp(new InvariantBroken('order-rises', `${placeText(position)} after ${placeText(this.taken)}`));
    }
    if (previous !== undefined && comparePositions(previous, position) >= 0) {
      return this.giveUp(new InvariantBroken('names-earlier', `${placeText(position)} names ${placeText(previous)}`));
    }
    this.taken = position;
    if (record.notice === undefined) this.lastMessage = { id: record.id, position };
    for (const watcher of this.watchers ?? []) watcher(record);
    if (record.notice?.kind === 'presence') this.letIn(record.notice.joined);
    if (this.subscribers.length === 0 || record.frame.length === 0) return;
    if (record.notice?.kind === 'presence') {
      this.members ??= new MemberGathering(this.name, (records) => this.tellLate(records));
      if (this.members.take(record, this.subscribers.length)) return;
    }
    this.tell(record);
  }

  private tell(record: DeliverRecord): void {
    if (this.pending.push(record) === 1) this.host.flushSoon(this);
  }

  /** Changes of members that were taken a while ago: whoever came since knows of them. */
  private tellLate(records: readonly DeliverRecord[]): void {
    if (this.subscribers.length === 0) return;
    this.hasLate = true;
    for (const record of records) this.tell(record);
  }

  distrust(why: string): void {
    if (this.intake.isClosed) return;
    const about = { channel: this.name, err: why };
    warnSeldom(
      this.host.logger,
      about,
      'messages may be missing that nobody knows of: clients of the channel begin anew',
    );
    this.flush();
    this.beginAnew();
  }

  private giveUp(error: InvariantBroken): void {
    const { name, host } = this;
    host.metrics.invariantBroken.of(error.invariant).inc();
    host.logger.error(
      { channel: name, invariant: error.invariant, err: error },
      'given up: an invariant does not hold',
    );
    this.beginAnew();
  }

  /** Ends the connections of all subscribers, who come back to a channel that is made anew. */
  private beginAnew(): void {
    const { host, subscribers } = this;
    host.forget(this);
    this.pending = [];
    this.members?.drop();
    this.subscribers = [];
    host.metrics.subscriptions.add(-subscribers.length);
    for (const subscriber of subscribers) {
      subscriber.slot = -1;
      subscriber.abandon();
    }
  }

  private letIn(joined: JoinedNotice | undefined): void {
    const entering = joined === undefined ? undefined : this.entering?.get(joined.connectionId);
    if (joined === undefined || entering?.attempt !== joined.attempt) return;
    this.entering?.delete(joined.connectionId);
    entering.enter(joined.members.toString('utf8'));
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
    if (this.hasLate) this.leaveKnown(records, leave);
    records.forEach((record, index) => {
      const { exceptConnectionId } = record;
      if (exceptConnectionId !== undefined && this.host.registry.has(exceptConnectionId))
        leave(exceptConnectionId, index);
      for (const [connectionId, seen] of this.ahead ?? []) {
        const isKnown = isUpTo(record, seen);
        if (isKnown) leave(connectionId, index);
        // What follows the very message is new, whatever its id looks like.
        if (!isKnown || record.id === seen.id) this.ahead?.delete(connectionId);
      }
    });
    return leftOut;
  }

  private leaveKnown(records: readonly DeliverRecord[], leave: (connectionId: string, index: number) => void): void {
    this.hasLate = false;
    records.forEach(({ notice, position }, index) => {
      if (notice?.kind !== 'presence') return;
      for (const { since, connectionId } of this.subscribers)
        if (since !== undefined && comparePositions(position, since) <= 0) leave(connectionId, index);
    });
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

const placeText = ({ epoch, sequence }: Position): string => `${epoch}:${sequence}`;

function isUpTo({ id, position }: DeliverRecord, seen: Seen): boolean {
  return seen.position === undefined ? id <= seen.id : comparePositions(position, seen.position) <= 0;
}
