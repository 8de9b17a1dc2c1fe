import { autoSubscriptions, Claims, Grants, Identity } from '@hearth/claims';
import {
  ClientFrame,
  ClientFrameError,
  connectedFrame,
  errorFrame,
  isPresenceChannel,
  KEEP_ALIVE_FRAME,
  parseClientFrame,
  PONG_FRAME,
  ProtocolError,
  protocolErrorOf,
  subscribedFrame,
  unsubscribedFrame,
  utcSeconds,
} from '@hearth/protocol';
import { Logger, Metrics } from '@hearth/runtime';
import type { Introduction } from '@hearth/wire';
import { Attendance } from '../attendance/attendance';
import { ClientOrigin, ClientPublish } from '../commands/client-publish';
import { ClientReactions } from '../commands/client-reactions';
import { ClientStorage } from '../commands/client-storage';
import { ClientSocket, FrameReceiver } from '../frames/client-socket';
import { ConnectionClock, ConnectionTimes } from './connection-clock';
import { ConnectionEvents, DescribedConnection } from './connection-events';
import { newConnectionSecret } from './credentials';
import { FrameQueue, WaitingFrame } from './frame-queue';
import { Entrance, Joining } from '../commands/joining';
import { allowSubscription, realChannel, Requester, subscribeToken } from './permissions';
import { Replay } from '../resume/replay';
import { ResumeRights } from '../resume/resume-rights';
import { SnapshotParts, StorageSnapshot } from '../channel/storage-snapshot';
import { AllowedSubscription, Subscription } from './subscription';
import { Subscriptions } from './subscriptions';
import { Tokens } from './tokens';
import { UmdHolder, UmdUpdates } from '../commands/umd-updates';

/** How a connection came about. */
export interface Opening {
  readonly claims: Claims;
  readonly sourceIp: string;
  readonly userAgent: string | undefined;
}

/** What the connections of a gateway share. */
export interface ConnectionParts {
  readonly joining: Joining;
  readonly attendance: Attendance;
  readonly events: ConnectionEvents;
  readonly umd: UmdUpdates;
  readonly rights: ResumeRights;
  readonly tokens: Tokens;
  readonly publish: ClientPublish;
  readonly reactions: ClientReactions;
  readonly storage: ClientStorage;
  readonly snapshots: SnapshotParts;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly times: ConnectionTimes;
  readonly maxBacklogBytes: number;
  /** Called once, when the connection begins to end. */
  ended(connection: Connection): void;
}

type FrameOf<Kind extends ClientFrame['kind']> = Extract<ClientFrame, { kind: Kind }>;

/** How a subscription was asked for. */
interface JoinRequest {
  readonly answerId?: number;
  /** Last message that the client has seen, when it resumes. */
  readonly after?: string;
  readonly autoSubscribed?: boolean;
}

/** A channel that an `autoSubscribe` entry has opened. */
interface OpenedChannel {
  readonly allowed: AllowedSubscription;
  readonly entrance: Entrance;
}

/** Messages of one connection on their way to the stream; the next one waits until there is room. */
const MAX_IN_FLIGHT = 256;

/**
 * One client's connection, from its first frame to its end (websocket-protocol §2, §3).
 *
 * - opening: `hotsock.connected` is sent and the claims' `autoSubscribe` entries are worked through.
 * - open: frames are processed strictly in order of arrival. One that cannot be finished at once (a token to verify, a
 *   channel to open) makes the later ones wait; when too many wait, the client is not read any more.
 * - ended: nothing is sent, its subscriptions are gone and its credentials work no longer.
 *
 * A mistake of the client never ends it: every refused frame is answered with `hotsock.error` (§6, §7).
 */
export class Connection implements FrameReceiver, Requester, UmdHolder, DescribedConnection {
  readonly secret = newConnectionSecret();
  /** Claims of the connect token. */
  readonly connect: Claims;
  readonly connectedAtMs = Date.now();
  identity: Identity;
  readonly grants: Grants;
  introduction: readonly Introduction[] | undefined;

  private readonly subscriptions: Subscriptions;
  /** Of the channels that it has entered or tried to enter. */
  private partitions: Set<number> | undefined;
  private readonly clock: ConnectionClock;
  private readonly origin: ClientOrigin;
  private hasEnded = false;
  private hasReceived = false;

  /** A frame is being processed; further ones wait. */
  private isBusy = true;
  private waiting: FrameQueue | undefined;
  private isPaused = false;

  /** Until what it missed of a channel has been written. */
  private replayed: Promise<void> | undefined;

  private inFlight = 0;
  private onRoom: (() => void) | undefined;

  constructor(
    readonly id: string,
    readonly socket: ClientSocket,
    opening: Opening,
    private readonly parts: ConnectionParts,
  ) {
    const { claims } = opening;
    this.connect = claims;
    this.identity = { uid: claims.uid, umdJson: claims.umdJson };
    this.grants = new Grants(claims);
    this.subscriptions = new Subscriptions(parts.rights, parts.attendance);
    this.clock = new ConnectionClock(claims, parts.times, Date.now());
    this.origin = { trigger: 'client.websocket', sourceIp: opening.sourceIp, userAgent: opening.userAgent };
  }

  get sourceIp(): string | undefined {
    return this.origin.sourceIp;
  }

  get userAgent(): string | undefined {
    return this.origin.userAgent;
  }

  get activeAliases(): ReadonlyMap<string, string> {
    return this.subscriptions.aliases;
  }

  isSubscribed(channel: string): boolean {
    return this.subscriptions.get(channel) !== undefined;
  }

  subscription(channel: string): Subscription | undefined {
    return this.subscriptions.get(channel);
  }

  get allSubscriptions(): readonly Subscription[] {
    return this.subscriptions.all;
  }

  /** Its metadata has really changed; existing subscriptions keep theirs. */
  changeIdentity(identity: Identity): void {
    this.identity = identity;
    this.parts.events.updated(this);
  }

  complain(error: unknown, channel: string): void {
    this.refuse(error, channel, undefined);
  }

  /** Sends the first frame and begins. The connection must already be findable by its credentials. */
  start(): void {
    this.send(
      connectedFrame({
        ...this.identity,
        connectionId: this.id,
        connectionSecret: this.secret,
        connectionExpiresAt: utcSeconds(this.clock.expiresAtMs),
      }),
    );
    this.parts.events.connected(this);
    const channels = autoSubscriptions(this.connect);
    if (channels.length === 0) this.isBusy = false;
    else void this.autoSubscribe(channels).finally(() => this.processWaiting());
  }

  receive(text: string | undefined, answerId?: number): void {
    this.hasReceived = true;
    if (this.hasEnded) return;
    const request = readFrame(text);
    // It counts from its receipt (websocket-protocol §2), whatever it waits for.
    if (!(request instanceof Error) && request.kind === 'heartbeat') this.clock.beat(Date.now());
    if (this.isBusy) this.keepWaiting({ request, answerId, characters: text?.length ?? 0 });
    else this.process(request, answerId);
  }

  /** The socket has closed. */
  closed(): void {
    this.end();
  }

  /** Ends the connection from our side (websocket-protocol §8). */
  close(code: number, reason: string): void {
    if (this.hasEnded) return;
    this.socket.close(code, reason);
    // The client's part of the closing must be read.
    if (this.isPaused) this.socket.resumeReading();
    this.end();
  }

  /** It does not read what it is sent. */
  cutOff(): void {
    if (this.hasEnded) return;
    this.parts.metrics.slowConsumers.inc();
    this.close(1013, 'Slow consumer');
  }

  /** What time demands; called about twice a second. */
  sweep(nowMs: number): void {
    if (this.isPaused) this.clock.excuse(nowMs);
    if (this.clock.isKeepAliveDue(nowMs)) this.send(KEEP_ALIVE_FRAME);
    const reason = this.clock.endReason(nowMs, this.hasReceived || this.socket.hasWritten);
    this.hasReceived = false;
    this.socket.hasWritten = false;
    if (reason !== undefined) this.close(1001, reason);
    else if (this.clock.isPingDue(nowMs)) this.socket.ping?.();
  }

  private end(): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    this.parts.ended(this);
    this.subscriptions.clear();
    this.parts.events.disconnected(this, () => this.parts.attendance.endsTold(this.id, this.partitions ?? []));
    this.waiting = undefined;
    this.onRoom?.();
  }

  private send(frame: string): void {
    if (this.socket.backlogBytes > this.parts.maxBacklogBytes) this.cutOff();
    else this.socket.send(frame);
  }

  private answer(frame: string, answerId: number | undefined): void {
    this.send(frame);
    if (answerId !== undefined) this.socket.answer(answerId, frame);
  }

  private keepWaiting(frame: WaitingFrame): void {
    this.waiting ??= new FrameQueue();
    this.waiting.push(frame);
    if (this.waiting.isTooLong) return this.close(1008, 'Too many messages');
    if (this.isPaused || !this.waiting.isLong) return;
    this.isPaused = true;
    this.socket.pauseReading();
  }

  private processWaiting(): void {
    this.isBusy = false;
    while (!this.isBusy && !this.hasEnded) {
      const next = this.waiting?.shift();
      if (next === undefined) break;
      this.process(next.request, next.answerId);
    }
    if (!this.isPaused || this.isBusy || this.hasEnded) return;
    this.isPaused = false;
    this.clock.excuse(Date.now());
    this.socket.resumeReading();
  }

  private process(request: ClientFrame | Error, answerId: number | undefined): void {
    const unfinished = this.perform(request, answerId);
    if (unfinished === undefined) return;
    this.isBusy = true;
    void unfinished.finally(() => this.processWaiting());
  }

  /** Does what one frame asks for; gives a promise only when that takes more than this moment. */
  private perform(request: ClientFrame | Error, answerId: number | undefined): Promise<void> | undefined {
    if (request instanceof Error) {
      const channel = request instanceof ClientFrameError ? request.channel : undefined;
      return void this.refuse(request, channel, answerId);
    }
    const channel = 'channel' in request ? request.channel : undefined;
    try {
      const unfinished = this.performFrame(request, answerId);
      return unfinished?.catch((error: unknown) => this.refuse(error, channel, answerId));
    } catch (error) {
      return void this.refuse(error, channel, answerId);
    }
  }

  private performFrame(frame: ClientFrame, answerId: number | undefined): Promise<void> | undefined {
    switch (frame.kind) {
      case 'message':
        return this.publish(frame, answerId);
      case 'subscribe':
        return this.requestSubscription(frame, answerId);
      case 'unsubscribe':
        return void this.unsubscribe(frame.channel, answerId);
      case 'ping':
        return void this.answer(PONG_FRAME, answerId);
      case 'heartbeat':
      case 'pong':
        return void this.answerNothing(answerId);
      case 'reaction':
        return this.parts.reactions.react(this, frame, this.origin).then(() => this.answerNothing(answerId));
      case 'umdUpdate':
        return this.parts.umd.update(this, frame).then(() => this.answerNothing(answerId));
      case 'storageSet':
        return this.setStorage(frame, answerId);
      case 'storageGet':
        return this.getStorage(frame, answerId);
    }
  }

  private answerNothing(answerId: number | undefined): void {
    if (answerId !== undefined) this.socket.answer(answerId, undefined);
  }

  /** @param channel as the client sent it: it knows its requests by that name (websocket-protocol §7) */
  private refuse(error: unknown, channel: string | undefined, answerId: number | undefined): void {
    if (this.hasEnded) return;
    const { code, message } = protocolErrorOf(error);
    const isBug = code === 'INTERNAL_ERROR';
    if (isBug) this.parts.logger.error({ connectionId: this.id, err: error }, 'a frame could not be processed');
    this.answer(errorFrame(code, message, channel), answerId);
  }

  /** Opens all channels at the same time, so that many take no longer than one; answers in the order of the claim. */
  private async autoSubscribe(channels: readonly string[]): Promise<void> {
    const opened = await Promise.allSettled(channels.map((channel) => this.openForAutoSubscribe(channel)));
    for (const [index, result] of opened.entries()) {
      if (result.status === 'rejected') this.refuse(result.reason, channels[index], undefined);
      else await this.autoEnter(result.value, channels[index]);
    }
  }

  private async autoEnter({ entrance, allowed }: OpenedChannel, channel: string | undefined): Promise<void> {
    try {
      await this.enter(entrance, allowed, { autoSubscribed: true });
    } catch (error) {
      this.refuse(error, channel, undefined);
    }
  }

  private async openForAutoSubscribe(channel: string): Promise<OpenedChannel> {
    const allowed = allowSubscription(channel, this, undefined);
    return { allowed, entrance: await this.parts.joining.open(allowed, undefined) };
  }

  private requestSubscription(
    { channel, token, after }: FrameOf<'subscribe'>,
    answerId: number | undefined,
  ): Promise<void> | undefined {
    if (token === undefined) return this.join(allowSubscription(channel, this, undefined), { answerId, after });
    return subscribeToken(token, this, this.parts.tokens).then((claims) =>
      this.join(allowSubscription(channel, this, claims), { answerId, after }),
    );
  }

  private join(allowed: AllowedSubscription, request: JoinRequest): Promise<void> | undefined {
    const { after } = request;
    const resuming = after === undefined ? undefined : { connectionId: this.id, after };
    const entrance = this.parts.joining.open(allowed, resuming);
    if (entrance instanceof Promise) {
      // One replay at a time, so that no client has more of them waiting.
      return entrance.then((open) => this.enter(open, allowed, request)).then(() => this.replayed);
    }
    return this.enter(entrance, allowed, request);
  }

  /** A standard channel is entered at once, a presence channel when its owner says so. */
  private enter(entrance: Entrance, allowed: AllowedSubscription, request: JoinRequest): Promise<void> | undefined {
    const { channel } = entrance;
    if (this.hasEnded) return void entrance.giveUp();
    (this.partitions ??= new Set()).add(this.parts.attendance.partitionOf(channel.name));
    if (!isPresenceChannel(channel.name)) return void this.begin(entrance, allowed, request);
    const { identity, grants } = allowed.terms;
    const { presence } = this.parts.attendance;
    const counted = !grants.omitFromSubCount(channel.name);
    const entering = { connectionId: this.id, identity, counted, introduction: this.introduction };
    return presence
      .join(channel, entering, (membersJson) => {
        if (!this.hasEnded) return this.begin(entrance, allowed, request, membersJson);
        entrance.giveUp();
        presence.leave(channel.name, this.id);
      })
      .catch((error: unknown) => {
        entrance.giveUp();
        throw error;
      });
  }

  /** @param membersJson presence channels only */
  private begin(
    { channel, enter }: Entrance,
    { terms }: AllowedSubscription,
    request: JoinRequest,
    membersJson?: string,
  ): void {
    const missed = enter();
    const frame = subscribedFrame({
      channel: channel.name,
      alias: terms.alias,
      identity: terms.identity,
      autoSubscribed: request.autoSubscribed,
      membersJson,
      resume: missed === undefined ? undefined : { complete: missed.complete },
    });
    const welcome = (): void => {
      this.answer(frame, request.answerId);
      if (missed === undefined || missed.frames.length === 0) return;
      this.replayed = Replay.send(subscription, missed.frames, this.parts.maxBacklogBytes);
    };
    const subscription = new Subscription(this, channel, terms);
    this.subscriptions.add(subscription, welcome, missed?.seen);
    if (terms.grants.mayObserveStorage(channel.name)) StorageSnapshot.begin(subscription, this.parts.snapshots);
  }

  private unsubscribe(name: string, answerId: number | undefined): void {
    const channel = realChannel(name, this);
    const subscription = this.subscription(channel);
    if (subscription === undefined) {
      throw new ProtocolError('NOT_SUBSCRIBED', `channel: this connection is not subscribed to ${channel}`);
    }
    this.subscriptions.remove(subscription);
    this.answer(unsubscribedFrame(channel, subscription.alias, subscription.identity), answerId);
  }

  /** Does not wait for the stream's confirmation, unless too many are outstanding: the order is kept without it. */
  private publish(frame: FrameOf<'message'>, answerId: number | undefined): Promise<void> | undefined {
    const { channel, scheduleArn, accepted } = this.parts.publish.publish(this, frame, this.origin);
    const answer = () => JSON.stringify({ id: null, event: frame.event, channel, scheduleArn });
    return this.meanwhile(accepted, frame.channel, answer, answerId);
  }

  private setStorage(frame: FrameOf<'storageSet'>, answerId: number | undefined): Promise<void> | undefined {
    const { accepted } = this.parts.storage.set(this, frame, this.origin);
    return this.meanwhile(accepted, frame.channel, () => undefined, answerId);
  }

  private async getStorage(frame: FrameOf<'storageGet'>, answerId: number | undefined): Promise<void> {
    const answer = await this.parts.storage.get(this, frame.channel, frame.key);
    if (!this.hasEnded) this.answer(answer, answerId);
  }

  /**
   * Goes on while something is on its way to the stream, unless there is too much of it.
   *
   * @param channel as the client sent it
   */
  private meanwhile(
    accepted: Promise<void>,
    channel: string,
    answer: () => string | undefined,
    answerId: number | undefined,
  ): Promise<void> | undefined {
    this.inFlight++;
    accepted.then(
      () => {
        this.landed();
        if (answerId !== undefined && !this.hasEnded) this.socket.answer(answerId, answer());
      },
      (error: unknown) => {
        this.landed();
        this.refuse(error, channel, answerId);
      },
    );
    if (this.inFlight < MAX_IN_FLIGHT) return undefined;
    return new Promise((resolve) => (this.onRoom = resolve));
  }

  private landed(): void {
    this.inFlight--;
    const { onRoom } = this;
    this.onRoom = undefined;
    onRoom?.();
  }
}

/** What a client asks for, or why that cannot be told (websocket-protocol §6). */
function readFrame(text: string | undefined): ClientFrame | Error {
  if (text === undefined) return new ProtocolError('MALFORMED_MESSAGE', 'the message must be JSON in UTF-8');
  try {
    return parseClientFrame(text);
  } catch (error) {
    return error instanceof Error ? error : new Error('unreadable', { cause: error });
  }
}
