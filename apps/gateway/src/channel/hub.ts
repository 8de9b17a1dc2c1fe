import { setTimeout as delay } from 'node:timers/promises';
import {
  ALL_TAILS,
  ASK_TAILS_SUBJECT,
  BEACON_EVERY_MS,
  comparePositions,
  deliverSubject,
  partitionOf,
  Position,
  TailBeacon,
} from '@hearth/wire';
import { HearthConfig } from '@hearth/config';
import { CONFIG, Logger, LOGGER, Metrics, warnSeldom } from '@hearth/runtime';
import {
  assertDeliverLife,
  deliverExtent,
  DeliverSubscriber,
  readDelivered,
  StoredDeliverRecord,
  StreamConnection,
  StreamUnavailableError,
} from '@hearth/stream';
import { every, Repeated } from '@hearth/timing';
import { Inject, Injectable } from '@nestjs/common';
import { ConnectionRegistry } from '../connection/connection-registry';
import { Channel, ChannelHost } from './channel';
import { StreamLives } from './stream-lives';
import { TailWatch } from './tail-watch';

/** A channel that nobody uses keeps its interest for a moment: whoever reloads a page is back at once. */
const LINGER_MS = 2_000;
/** Channels that are closed in one go, 20 µs each: after many clients have left, messages of others get their turn in between. */
const CLOSED_AT_ONCE = 200;
/** How often the end of the deliver stream is noted, so that a catch-up of all channels need not read all of it. */
const CHECKPOINT_MS = 5_000;
const RETRY_MS = 250;

/**
 * All channels of a gateway. Each channel sees to its own gaps; the hub sees to those that no later message would
 * reveal. The owners of partitions say where channels end, so one that is behind looks for what it lacks. After every
 * reconnect to NATS, and when an owner's beacons were lost or came from another, the hub reads what the deliver stream has
 * got meanwhile, in one pass for all channels.
 */
@Injectable()
export class Hub implements ChannelHost {
  readonly deliver: DeliverSubscriber;
  readonly maxBacklogBytes: number;
  private readonly channels = new Map<string, Channel>();
  private readonly checkpoints: Repeated;
  private readonly tailWatch = new TailWatch(performance.now());
  private readonly lives: StreamLives;
  /** By partition: up to where its owners have said that everything was sent. */
  private readonly ends = new Map<number, Position>();
  private readonly stopListening: readonly (() => void)[];
  /** Set while a pass is about to begin because beacons were lost. */
  private lookSoon: NodeJS.Timeout | undefined;
  private dirty: Channel[] = [];
  /** End of the deliver stream at the last checkpoint and at the one before. */
  streamEnd = 0;
  streamCreatedMs = 0;
  private earlierStreamEnd = 0;
  /** Grows with every reconnect and loss of beacons: what was learned from NATS before it proves nothing after it. */
  private breaks = 0;
  private catchingUp = false;
  private isLooking = false;

  constructor(
    readonly stream: StreamConnection,
    readonly registry: ConnectionRegistry,
    readonly metrics: Metrics,
    @Inject(LOGGER) readonly logger: Logger,
    @Inject(CONFIG) private readonly config: Pick<HearthConfig, 'wsMaxBacklogBytes' | 'partitions'>,
  ) {
    this.deliver = new DeliverSubscriber(stream);
    this.maxBacklogBytes = config.wsMaxBacklogBytes;
    this.lives = new StreamLives(config.partitions);
    this.checkpoints = every(CHECKPOINT_MS, () => this.noteStreamEnd());
    this.stopListening = [
      this.deliver.listenToTails((partition, beacon) => this.onBeacon(partition, beacon)),
      stream.onReconnect(() => {
        this.breaks++;
        this.tailWatch.reset(performance.now());
        void this.catchUpAll();
      }),
    ];
    // Where partitions end shall be known before the first channel is opened.
    stream.tell(ASK_TAILS_SUBJECT);
    void this.noteStreamEnd();
  }

  get safeSequence(): number {
    return this.earlierStreamEnd;
  }

  /**
   * The channel, which is kept until `release` or `remove` was called on it as often as this. Wait for `intake.opened`
   * unless `intake.isOpen`.
   *
   * @throws StreamUnavailableError when the interest would have to be registered and NATS is away
   */
  use(name: string): Channel {
    const channel = this.channels.get(name) ?? this.create(name);
    channel.users++;
    return channel;
  }

  all(): IterableIterator<Channel> {
    return this.channels.values();
  }

  flushSoon(channel: Channel): void {
    if (this.dirty.push(channel) > 1) return;
    setImmediate(() => {
      const dirty = this.dirty;
      this.dirty = [];
      for (const changed of dirty) changed.flush();
    });
  }

  /** Closes channels that have not been used for a moment; called by the gateway's timer. */
  sweep(nowMs: number): void {
    let left = CLOSED_AT_ONCE;
    for (const channel of this.channels.values()) {
      if (channel.users > 0 || nowMs - channel.idleSince < LINGER_MS) continue;
      this.forget(channel);
      if (--left === 0) return void setImmediate(() => this.sweep(nowMs));
    }
  }

  stop(): void {
    void this.checkpoints.stop();
    for (const stop of this.stopListening) stop();
    clearTimeout(this.lookSoon);
    for (const channel of this.channels.values()) this.forget(channel);
  }

  private create(name: string): Channel {
    if (!this.stream.isConnected) {
      throw new StreamUnavailableError('channels cannot be joined at the moment');
    }
    const channel = new Channel(name, this);
    this.channels.set(name, channel);
    channel.intake.opened.catch((error: unknown) => {
      this.logger.warn({ channel: name, err: error }, 'a channel could not be opened');
      this.forget(channel);
    });
    return channel;
  }

  /** Whoever uses its name from now on gets a new channel. */
  forget(channel: Channel): void {
    channel.intake.close();
    if (this.channels.get(channel.name) === channel) this.channels.delete(channel.name);
  }

  private onBeacon(partition: number, beacon: TailBeacon): void {
    if (this.tailWatch.hear(partition, beacon, performance.now())) this.catchUpSoon();
    for (const [name, position] of beacon.tails) this.channels.get(name)?.intake.expect(position);
    this.noteEnd(partition, beacon);
    const { all } = beacon;
    const isWhole = all !== undefined && this.tailWatch.hasHeardFrom(partition, all.from);
    const unsureBeforeMs = this.lives.hear(partition, beacon, isWhole);
    if (this.lives.isNew(partition, beacon.fencingToken)) this.lookAtLifeSoon();
    if (unsureBeforeMs === undefined) return;
    for (const channel of this.channels.values()) {
      const { isOpen, openedInMs } = channel.intake;
      const isFromBefore = isOpen && openedInMs < unsureBeforeMs;
      if (isFromBefore && partitionOf(channel.name, this.config.partitions) === partition)
        channel.distrust('the deliver stream is not what it was');
    }
  }

  sentThrough(channel: string): Position | undefined {
    return this.ends.get(partitionOf(channel, this.config.partitions));
  }

  private noteEnd(partition: number, { end, tails }: TailBeacon): void {
    // Only of the first is all before it certainly stored.
    for (const position of end === undefined ? tails.map(([, tail]) => tail) : [end]) {
      const known = this.ends.get(partition);
      if (known === undefined || comparePositions(position, known) > 0) this.ends.set(partition, position);
    }
  }

  /** The beacons of other partitions may be found to be lost within an interval: one pass is enough for all. */
  private catchUpSoon(): void {
    this.breaks++;
    this.lookSoon ??= setTimeout(() => {
      this.lookSoon = undefined;
      void this.catchUpAll();
    }, BEACON_EVERY_MS);
  }

  /**
   * Notes where the deliver stream ends. The note before the last is what a catch-up relies on: what had been stored
   * that long ago has certainly come through our unbroken connection.
   */
  private async noteStreamEnd(): Promise<void> {
    const seen = await this.look();
    if (seen === undefined) return;
    const { createdMs, end } = seen;
    // Whoever did not hear it, or whose answer was lost, is asked again.
    if (this.lives.note(createdMs, this.tailWatch.owners())) this.stream.tell(ASK_TAILS_SUBJECT, ALL_TAILS);
    // One that was created anew counts from 1 again.
    this.earlierStreamEnd = createdMs === this.streamCreatedMs ? Math.min(this.streamEnd, end) : 0;
    this.streamCreatedMs = createdMs;
    this.streamEnd = end;
  }

  /** Not at the next note: who began a moment before the stream is lost would be taken for one that does not know what it had. */
  private lookAtLifeSoon(): void {
    if (this.isLooking) return;
    this.isLooking = true;
    void this.look().then((seen) => {
      this.isLooking = false;
      if (seen !== undefined) this.lives.note(seen.createdMs, this.tailWatch.owners());
    });
  }

  /** @returns nothing while what the deliver stream has may be missing here, or it does not answer */
  private async look(): Promise<{ readonly createdMs: number; readonly end: number } | undefined> {
    const { breaks } = this;
    if (this.catchingUp || this.lookSoon !== undefined || !this.stream.isConnected) return undefined;
    if (!this.tailWatch.isHearing(performance.now())) return undefined;
    try {
      const { created, last: end } = await deliverExtent(this.stream);
      return this.breaks === breaks ? { createdMs: Date.parse(created), end } : undefined;
    } catch (error) {
      // Without a fresh note a catch-up reads more than it would have to, nothing else.
      this.logger.debug({ err: error }, 'the end of the deliver stream is not known');
      return undefined;
    }
  }

  /** Fills what may have been lost in all channels while the connection was broken. */
  private async catchUpAll(): Promise<void> {
    for (const channel of this.channels.values()) if (channel.users === 0) this.forget(channel);
    const waiting = new Map<string, Channel>();
    for (const channel of this.channels.values()) {
      if (channel.intake.holdBack()) waiting.set(deliverSubject(channel.name), channel);
    }
    if (this.catchingUp) {
      // The pass under way began before these; they read for themselves.
      for (const channel of waiting.values()) channel.intake.resume(true);
      return;
    }
    if (waiting.size === 0) return;
    this.catchingUp = true;
    try {
      await this.restoreAll(waiting);
    } finally {
      this.catchingUp = false;
      for (const channel of waiting.values()) if (!channel.intake.isClosed) channel.intake.resume(false);
    }
  }

  /**
   * Goes on until the deliver stream could be read: it may be away, or be made anew. Its channels stand still until then,
   * because to go on could skip messages in silence.
   */
  private async restoreAll(waiting: ReadonlyMap<string, Channel>): Promise<void> {
    while ([...waiting.values()].some(({ intake }) => !intake.isClosed)) {
      const { breaks } = this;
      try {
        await this.readInto(waiting);
        if (this.breaks === breaks) return;
      } catch (error) {
        warnSeldom(this.logger, { err: error }, 'catching up in all channels failed, trying again');
      }
      await delay(RETRY_MS);
    }
  }

  private async readInto(waiting: ReadonlyMap<string, Channel>): Promise<void> {
    const { created, last: end } = await deliverExtent(this.stream);
    const createdMs = Date.parse(created);
    const isSame = createdMs === this.streamCreatedMs && end >= this.earlierStreamEnd;
    const start = isSame ? this.earlierStreamEnd : 0;
    if (end <= start) return;
    const found = new Map<Channel, StoredDeliverRecord[]>();
    await readDelivered(this.stream, { sequence: start + 1 }, undefined, (subject, stored) => {
      const channel = waiting.get(subject);
      if (channel === undefined) return;
      const own = found.get(channel);
      if (own === undefined) found.set(channel, [stored]);
      else own.push(stored);
    });
    await assertDeliverLife(this.stream, created);
    // One that lacks a link goes on looking by itself when it is resumed.
    for (const [channel, stored] of found) if (!channel.intake.isClosed) channel.intake.restore(stored, createdMs);
  }
}
