import { autoSubscriptions, Claims, Grants, Identity } from '@hearth/claims';
import {
  ClientFrame,
  ClientFrameError,
  connectedFrame,
  errorFrame,
  KEEP_ALIVE_FRAME,
  parseClientFrame,
  PONG_FRAME,
  ProtocolError,
  subscribedFrame,
  unsubscribedFrame,
  utcSeconds,
} from '@hearth/protocol';
import { Logger, Metrics } from '@hearth/service';
import { Channel } from './channel';
import { ClientPublish, ClientOrigin } from './client-publish';
import { ClientSocket, FrameReceiver } from './client-socket';
import { newConnectionSecret } from './credentials';
import { Hub } from './hub';
import { allowSubscription, realChannel, Requester, subscribeToken } from './permissions';
import { AllowedSubscription, Subscription } from './subscription';
import { Tokens } from './tokens';

/** How a connection came about. */
export interface Opening {
  readonly claims: Claims;
  readonly sourceIp: string;
  readonly userAgent: string | undefined;
}

/** Milliseconds. */
export interface ConnectionTimes {
  readonly lifetimeMs: number;
  readonly idleMs: number;
  readonly keepAliveMs: number;
  /** Infinity = never. */
  readonly pingMs: number;
}

/** What the connections of a gateway share. */
export interface ConnectionParts {
  readonly hub: Hub;
  readonly tokens: Tokens;
  readonly publish: ClientPublish;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly times: ConnectionTimes;
  readonly maxBacklogBytes: number;
  /** Called once, when the connection begins to end. */
  ended(connection: Connection): void;
}

interface WaitingFrame {
  readonly text: string | undefined;
  readonly answerId: number | undefined;
}

/** Messages of one connection on their way to the stream; the next one waits until there is room. */
const MAX_IN_FLIGHT = 256;
/** While so much waits to be processed, nothing more is read from the client. */
const PAUSE_AT_FRAMES = 64;
/** Where reading cannot be stopped (long-polling), this ends a client that keeps sending. */
const MAX_WAITING_CHARACTERS = 4 * 1_048_576;

const NO_ALIASES: ReadonlyMap<string, string> = new Map();

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
export class Connection implements FrameReceiver, Requester {
  readonly secret = newConnectionSecret();
  /** Claims of the connect token. */
  readonly connect: Claims;
  readonly identity: Identity;
  readonly grants: Grants;

  private hasEnded = false;
  private subscriptions: Map<string, Subscription> | undefined;
  private aliases: Map<string, string> | undefined;

  private isBusy = true;
  private waiting: WaitingFrame[] | undefined;
  private waitingCharacters = 0;
  private isPaused = false;
  private inFlight = 0;
  private onRoom: (() => void) | undefined;

  private readonly expiresAtMs: number;
  private heartbeatDueMs: number;
  private keepAliveDueMs: number;
  private pingDueMs: number;
  private lastDataMs: number;
  private hasReceived = false;
  private readonly origin: ClientOrigin;

  constructor(
    readonly id: string,
    readonly socket: ClientSocket,
    opening: Opening,
    private readonly parts: ConnectionParts,
  ) {
    const { claims } = opening;
    const { times } = parts;
    const now = Date.now();
    this.connect = claims;
    this.identity = { uid: claims.uid, umdJson: claims.umdJson };
    this.grants = new Grants(claims);
    this.origin = { trigger: 'client.websocket', sourceIp: opening.sourceIp, userAgent: opening.userAgent };
    // Whole seconds, because that is what the client is told.
    this.expiresAtMs = Math.floor((now + times.lifetimeMs) / 1_000) * 1_000;
    this.heartbeatDueMs = claims.heartbeatTimeout === undefined ? Infinity : now + claims.heartbeatTimeout * 1_000;
    this.keepAliveDueMs = claims.keepAlive ? now + times.keepAliveMs : Infinity;
    this.pingDueMs = now + times.pingMs;
    this.lastDataMs = now;
  }

  get activeAliases(): ReadonlyMap<string, string> {
    return this.aliases ?? NO_ALIASES;
  }

  isSubscribed(channel: string): boolean {
    return this.subscriptions?.has(channel) === true;
  }

  subscription(channel: string): Subscription | undefined {
    return this.subscriptions?.get(channel);
  }

  get subscriptionCount(): number {
    return this.subscriptions?.size ?? 0;
  }

  /** Sends the first frame and begins. The connection must already be findable by its credentials. */
  start(): void {
    this.send(
      connectedFrame({
        ...this.identity,
        connectionId: this.id,
        connectionSecret: this.secret,
        connectionExpiresAt: utcSeconds(this.expiresAtMs),
      }),
    );
    const channels = autoSubscriptions(this.connect);
    if (channels.length === 0) this.isBusy = false;
    else void this.autoSubscribe(channels).finally(() => this.processWaiting());
  }

  receive(text: string | undefined, answerId?: number): void {
    this.hasReceived = true;
    if (this.hasEnded) return;
    if (this.isBusy) this.keepWaiting(text, answerId);
    else this.process(text, answerId);
  }

  /** The socket has closed. */
  closed(): void {
    this.end();
  }

  /** Ends the connection from our side (websocket-protocol §8). */
  close(code: number, reason: string): void {
    if (this.hasEnded) return;
    this.socket.close(code, reason);
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
    if (nowMs >= this.expiresAtMs) return this.close(1001, 'Going away');
    if (nowMs >= this.heartbeatDueMs) return this.close(1001, 'Heartbeat timeout');
    if (nowMs >= this.keepAliveDueMs) {
      this.keepAliveDueMs += this.parts.times.keepAliveMs;
      this.send(KEEP_ALIVE_FRAME);
    }
    if (this.hasReceived || this.socket.hasWritten) {
      this.hasReceived = false;
      this.socket.hasWritten = false;
      this.lastDataMs = nowMs;
    } else if (nowMs - this.lastDataMs >= this.parts.times.idleMs) {
      return this.close(1001, 'Going away');
    }
    if (nowMs >= this.pingDueMs) {
      this.pingDueMs = nowMs + this.parts.times.pingMs;
      this.socket.ping?.();
    }
  }

  private end(): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    this.parts.ended(this);
    for (const subscription of this.subscriptions?.values() ?? []) subscription.channel.remove(subscription);
    this.subscriptions = undefined;
    this.aliases = undefined;
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

  private keepWaiting(text: string | undefined, answerId: number | undefined): void {
    this.waiting ??= [];
    this.waiting.push({ text, answerId });
    this.waitingCharacters += text?.length ?? 0;
    if (this.waitingCharacters > MAX_WAITING_CHARACTERS) return this.close(1008, 'Too many messages');
    if (this.isPaused || this.waiting.length < PAUSE_AT_FRAMES) return;
    this.isPaused = true;
    this.socket.pauseReading();
  }

  private processWaiting(): void {
    this.isBusy = false;
    while (!this.isBusy && !this.hasEnded) {
      const next = this.waiting?.shift();
      if (next === undefined) break;
      this.waitingCharacters -= next.text?.length ?? 0;
      this.process(next.text, next.answerId);
    }
    if (!this.isPaused || this.isBusy || this.hasEnded) return;
    this.isPaused = false;
    this.socket.resumeReading();
  }

  private process(text: string | undefined, answerId: number | undefined): void {
    const unfinished = this.perform(text, answerId);
    if (unfinished === undefined) return;
    this.isBusy = true;
    void unfinished.finally(() => this.processWaiting());
  }

  /** Does what one frame asks for; gives a promise only when that takes more than this moment. */
  private perform(text: string | undefined, answerId: number | undefined): Promise<void> | undefined {
    let channel: string | undefined;
    try {
      if (text === undefined) throw new ProtocolError('MALFORMED_MESSAGE', 'the message must be JSON in UTF-8');
      const frame = parseClientFrame(text);
      if ('channel' in frame) channel = frame.channel;
      const unfinished = this.performFrame(frame, answerId);
      return unfinished?.catch((error: unknown) => this.refuse(error, channel, answerId));
    } catch (error) {
      this.refuse(error, error instanceof ClientFrameError ? error.channel : channel, answerId);
      return undefined;
    }
  }

  private performFrame(frame: ClientFrame, answerId: number | undefined): Promise<void> | undefined {
    switch (frame.kind) {
      case 'message':
        return this.publish(frame, answerId);
      case 'subscribe':
        return this.subscribeAs(frame, answerId);
      case 'unsubscribe':
        return this.unsubscribe(frame.channel, answerId);
      case 'ping':
        return void this.answer(PONG_FRAME, answerId);
      case 'heartbeat':
        if (this.connect.heartbeatTimeout !== undefined) {
          this.heartbeatDueMs = Date.now() + this.connect.heartbeatTimeout * 1_000;
        }
        return this.acknowledge(answerId);
      case 'pong':
        return this.acknowledge(answerId);
    }
  }

  private acknowledge(answerId: number | undefined): undefined {
    if (answerId !== undefined) this.socket.answer(answerId, undefined);
  }

  /** @param channel as the client sent it: it knows its requests by that name (websocket-protocol §7) */
  private refuse(error: unknown, channel: string | undefined, answerId: number | undefined): void {
    if (this.hasEnded) return;
    if (error instanceof ProtocolError) return this.answer(errorFrame(error.code, error.message, channel), answerId);
    this.parts.logger.error({ connectionId: this.id, err: error }, 'a frame could not be processed');
    this.answer(errorFrame('INTERNAL_ERROR', 'an internal error occurred', channel), answerId);
  }

  private async autoSubscribe(channels: readonly string[]): Promise<void> {
    for (const channel of channels) {
      if (this.hasEnded) return;
      try {
        await this.join(allowSubscription(channel, this, undefined), undefined, true);
      } catch (error) {
        this.refuse(error, channel, undefined);
      }
    }
  }

  private subscribeAs(
    frame: Extract<ClientFrame, { kind: 'subscribe' }>,
    answerId: number | undefined,
  ): Promise<void> | undefined {
    if (frame.token !== undefined) return this.subscribeWithToken(frame.channel, frame.token, answerId);
    return this.join(allowSubscription(frame.channel, this, undefined), answerId, false);
  }

  private async subscribeWithToken(name: string, token: string, answerId: number | undefined): Promise<void> {
    const claims = await subscribeToken(token, this, this.parts.tokens);
    await this.join(allowSubscription(name, this, claims), answerId, false);
  }

  /** Becomes a subscriber: at once where the channel is open and no token must be used up. */
  private join(
    allowed: AllowedSubscription,
    answerId: number | undefined,
    autoSubscribed: boolean,
  ): Promise<void> | undefined {
    const channel = this.parts.hub.use(allowed.channel);
    if (!channel.isOpen || allowed.token?.singleUse === true) {
      return this.joinLater(channel, allowed, answerId, autoSubscribed);
    }
    this.enter(channel, allowed, answerId, autoSubscribed);
    return undefined;
  }

  private async joinLater(
    channel: Channel,
    allowed: AllowedSubscription,
    answerId: number | undefined,
    autoSubscribed: boolean,
  ): Promise<void> {
    try {
      await this.untilOpen(channel);
      if (allowed.token !== undefined && !(await this.parts.tokens.consume(allowed.token))) {
        throw new ProtocolError('INVALID_SUBSCRIBE_TOKEN', 'data.token: this single-use token has been used');
      }
    } catch (error) {
      channel.release();
      throw error;
    }
    if (this.hasEnded) channel.release();
    else this.enter(channel, allowed, answerId, autoSubscribed);
  }

  private async untilOpen(channel: Channel): Promise<void> {
    try {
      await channel.opened;
    } catch (error) {
      throw new ProtocolError('SERVICE_UNAVAILABLE', 'channel: it cannot be joined at the moment', { cause: error });
    }
  }

  private enter(
    channel: Channel,
    { terms }: AllowedSubscription,
    answerId: number | undefined,
    autoSubscribed: boolean,
  ): void {
    const subscription = new Subscription(this, channel, terms);
    const { alias, identity } = terms;
    this.subscriptions ??= new Map();
    this.subscriptions.set(channel.name, subscription);
    if (alias !== undefined) (this.aliases ??= new Map()).set(alias, channel.name);
    const frame = subscribedFrame({ channel: channel.name, alias, identity, autoSubscribed });
    channel.add(subscription, () => this.answer(frame, answerId));
  }

  private unsubscribe(name: string, answerId: number | undefined): undefined {
    const channel = realChannel(name, this);
    const subscription = this.subscription(channel);
    if (subscription === undefined) {
      throw new ProtocolError('NOT_SUBSCRIBED', `channel: this connection is not subscribed to ${channel}`);
    }
    this.subscriptions?.delete(channel);
    if (subscription.alias !== undefined) this.aliases?.delete(subscription.alias);
    subscription.channel.remove(subscription);
    this.answer(unsubscribedFrame(channel, subscription.alias, subscription.identity), answerId);
  }

  /** Does not wait for the stream's confirmation, unless too many are outstanding: the order is kept without it. */
  private publish(
    frame: Extract<ClientFrame, { kind: 'message' }>,
    answerId: number | undefined,
  ): Promise<void> | undefined {
    const { channel, durable } = this.parts.publish.publish(this, frame, this.origin);
    this.inFlight++;
    durable.then(
      () => {
        this.landed();
        if (answerId === undefined || this.hasEnded) return;
        this.socket.answer(answerId, JSON.stringify({ id: null, event: frame.event, channel }));
      },
      (error: unknown) => {
        this.landed();
        this.refuse(error, frame.channel, answerId);
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
