import { installationNow } from '@hearth/timing';
import { Grants, type Claims } from '@hearth/claims';
import { TokenBucket } from '@hearth/limits';
import {
  connectedFrame,
  ConnectResume,
  errorFrame,
  KEEP_ALIVE_FRAME,
  ProtocolError,
  protocolErrorOf,
  rateLimited,
  utcSeconds,
  type ClientFrame,
  type EndCode,
  type ErrorCode,
  type Identity,
} from '@hearth/protocol';
import type { GatewayRequest } from '@hearth/stream';
import type { Introduction } from '@hearth/wire';
import type { ClientOrigin } from '../commands/client-publish';
import { namesOf, readFrame, type FrameSender } from '../commands/client-requests';
import type { ClientSocket, FrameReceiver } from '../frames/client-socket';
import { ConnectionClock } from './connection-clock';
import type { DescribedConnection } from './connection-events';
import type { ConnectionHost } from './connection-host';
import type { OpenConnection } from './connection-registry';
import { newConnectionSecret } from './credentials';
import { costOf, costOfCall, mustBeDone } from '../limits/operation-cost';
import { Throttle } from '../limits/throttle';
import type { WaitingFrame } from './frame-queue';
import { FrameTurns, type TurnTaker } from './frame-turns';
import type { Subscription } from './subscription';
import { CLEARED_AT_ONCE, Subscriptions } from './connection-subscriptions';

/** How a connection came about. */
export interface Opening {
  readonly claims: Claims;
  /** `tokenDigest` of the connect token. */
  readonly tokenDigest: string;
  readonly sourceIp: string;
  readonly userAgent: string | undefined;
  /** What it asks for its auto-subscribed channels; `undefined` when it does not resume. */
  readonly resume: ConnectResume | undefined;
  /** A connection has come of it, and gives back what it takes up when it ends. */
  isTaken: boolean;
}

type Cost = ReturnType<typeof costOf>;
/** What a frame of the protocol below counts beside its bytes (limits §2). */
const FRAME_BYTES = 16;
/** For so long, ms, a connection may keep the process busy with what its tokens say and with presence, where people take a hundredth of that. */
const WORK = { perSecond: 100, burst: 100 };
const WORTH_COUNTING_MS = 0.1;
/** Far more than a heartbeat has; a longer one counts when it is its turn. */
const HEARTBEAT_CHARACTERS = 256;
/** What a change of a presence channel costs, because everybody hears of it: who comes and goes all the time is slowed down. */
const PRESENCE_MS = 0.5;
/** Time over which the connections that missed messages are closed. */
const MISSED_SPREAD_MS = 5_000;
/**
 * One client's connection, from its first frame to its end (websocket-protocol §2, §3).
 *
 * - opening: `hotsock.connected` is sent, it is announced to backends, and the claims' `autoSubscribe` entries are worked
 *   through.
 * - open: frames are processed strictly in order of arrival. One that cannot be finished at once (a token to verify, a
 *   channel to open) makes the later ones wait; when too many wait, the client is not read any more.
 * - ended: nothing is sent, its subscriptions are gone and its credentials work no longer.
 *
 * A mistake of the client never ends it: every refused frame is answered with `hotsock.error` (§6, §7).
 */
export class Connection implements FrameReceiver, OpenConnection, FrameSender, DescribedConnection, TurnTaker {
  readonly secret = newConnectionSecret();
  /** Claims of the connect token. */
  readonly connect: Claims;
  readonly connectedAtMs = installationNow();
  identity: Identity;
  readonly grants: Grants;
  isAnnounced = false;
  introduction: readonly Introduction[] | undefined;

  readonly subscriptions: Subscriptions;
  hasEnded = false;
  replayed: Promise<void> | undefined;
  replays: Promise<void> | undefined;
  partitions: Set<number> | undefined;
  readonly origin: ClientOrigin;
  inFlight = 0;
  onRoom: (() => void) | undefined;

  private readonly clock: ConnectionClock;
  private hasReceived = false;
  /** Its client has gone, but not without having asked for something before. */
  private hasGone = false;
  /** What it was asked for last is not done yet, and shall be. */
  private isWorking = false;

  private readonly turns: FrameTurns;
  private counted: Throttle | undefined;
  /** For how long it has kept the process busy, if ever. */
  private work: TokenBucket | undefined;

  constructor(
    readonly id: string,
    readonly socket: ClientSocket,
    private readonly opening: Opening,
    private readonly host: ConnectionHost,
  ) {
    const { claims } = opening;
    opening.isTaken = true;
    this.connect = claims;
    this.identity = { uid: claims.uid, umdJson: claims.umdJson };
    this.grants = new Grants(claims, undefined, this);
    this.subscriptions = new Subscriptions(host.resume.rights, host.attendance);
    this.turns = new FrameTurns(this);
    this.clock = new ConnectionClock(claims, host.times, performance.now(), installationNow());
    this.origin = { trigger: 'client.websocket', sourceIp: opening.sourceIp, userAgent: opening.userAgent };
  }

  get sourceIp(): string | undefined {
    return this.origin.sourceIp;
  }

  get userAgent(): string | undefined {
    return this.origin.userAgent;
  }

  private get throttle(): Throttle {
    return (this.counted ??= new Throttle(this, this.host.limits));
  }

  get expiresAtMs(): number {
    return this.clock.expiresAtMs;
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

  get tokenDigest(): string {
    return this.opening.tokenDigest;
  }

  get hasSubscribeTokens(): boolean {
    return this.subscriptions.hasTokens;
  }

  get subscriptionsCount(): number {
    return this.subscriptions.count;
  }

  get allSubscriptions(): readonly Subscription[] {
    return this.subscriptions.all;
  }

  /** Its metadata has really changed; existing subscriptions keep theirs. */
  changeIdentity(identity: Identity): void {
    this.identity = identity;
    this.host.events.updated(this);
  }

  complain(error: unknown, channel: string): void {
    this.refuse(error, channel, undefined);
  }

  /** Sends the first frame and begins. The connection must already be findable by its credentials. */
  start(): void {
    const { uid, umdJson } = this.identity;
    const { id: connectionId, secret: connectionSecret } = this;
    const connectionExpiresAt = utcSeconds(this.clock.expiresAtMs);
    this.send(connectedFrame({ uid, umdJson, connectionId, connectionSecret, connectionExpiresAt }));
    const announced = this.host.events.announce(this);
    const channels = this.connect.autoSubscribe;
    if (announced === undefined && channels.length === 0) this.turns.next();
    else void this.begin(announced, channels).finally(() => this.turns.next());
  }

  private async begin(announced: Promise<void> | undefined, channels: readonly string[]): Promise<void> {
    await announced;
    if (channels.length > 0 && !this.hasEnded)
      await this.host.joining.autoSubscribe(this, channels, this.opening.resume);
  }

  receive(text: string | undefined, answerId?: number): void {
    this.hasReceived = true;
    if (this.hasEnded) return;
    // Nothing is looked at before its turn, but for a heartbeat, which counts from its receipt (websocket-protocol §2).
    const characters = text?.length ?? 0;
    const mayBeHeartbeat = characters <= HEARTBEAT_CHARACTERS && text?.includes('hotsock.heartbeat') === true;
    const request = mayBeHeartbeat ? this.look(text) : undefined;
    this.turns.take({ text, request, answerId, characters, sinceMs: performance.now() });
  }

  /** What a client asks for; a heartbeat counts from now on. */
  private look(text: string | undefined): ClientFrame | Error {
    const request = readFrame(text);
    if (!(request instanceof Error) && request.kind === 'heartbeat') this.clock.beat(performance.now());
    return request;
  }

  read(bytes: number, frames: number): void {
    if (this.hasEnded) return;
    const pauseMs = this.throttle.read(bytes + frames * FRAME_BYTES);
    if (pauseMs > 0) this.turns.rest(pauseMs);
  }

  get pauseMs(): number {
    return this.throttle.readingPauseMs;
  }

  get restMs(): number {
    return this.work?.waitMs(WORK, 1, performance.now()) ?? 0;
  }

  /** Its tokens, or presence, have kept the process busy for so long (limits §5). */
  worked(ms: number): void {
    if (ms < WORTH_COUNTING_MS) return;
    const nowMs = performance.now();
    this.work ??= new TokenBucket(WORK, nowMs);
    this.work.take(WORK, ms, nowMs);
  }

  /** It is read again. */
  resumed(): void {
    this.clock.excuse(performance.now());
  }

  pinged(count: number): void {
    const refusal = this.throttle.takePings(count);
    if (refusal !== undefined) this.refuse(refusal, undefined, undefined);
  }

  takeCall(operation: GatewayRequest['operation']): void {
    const { restMs } = this;
    const refusal = restMs > 0 ? rateLimited('connectionFrames', restMs) : this.throttle.take(costOfCall(operation));
    if (refusal !== undefined) throw refusal;
  }

  refusedCall(error: ProtocolError): void {
    this.throttle.refused(error);
    this.recordRefused(error.code);
  }

  /** The socket has closed. What its client sent before is done all the same, whatever it has to wait for. */
  closed(): void {
    if (this.turns.isWaiting || this.isWorking) this.hasGone = true;
    else this.end();
  }

  idle(): void {
    if (this.hasGone) this.end();
  }

  /** Ends the connection from our side (websocket-protocol §8). */
  close(code: number, reason: string, error?: EndCode): void {
    if (this.hasEnded) return;
    this.socket.close(code, reason, error);
    // The client's part of the closing must be read.
    if (this.turns.isPaused) this.socket.resumeReading();
    this.end({ code, reason });
  }

  endSubscription(subscription: Subscription): void {
    this.host.joining.end(this, subscription, undefined);
  }

  /** A client that reloads is better off than one that shows a false picture, but not all of them at once (resume §4). */
  missed(): void {
    setTimeout(() => this.close(1013, 'Messages missed'), Math.random() * MISSED_SPREAD_MS);
  }

  /** It does not read what it is sent. */
  cutOff(): void {
    if (this.hasEnded) return;
    this.host.metrics.slowConsumers.inc();
    this.close(1013, 'Slow consumer');
  }

  holdsMost(): void {
    this.host.limits.count('backlogBytes', 'closed', this);
    this.close(1013, 'Slow consumer');
  }

  /** What time demands; called about twice a second. */
  sweep(nowMs: number, installationMs: number): void {
    if (this.turns.isPaused) this.clock.excuse(nowMs);
    if (this.clock.isKeepAliveDue(nowMs)) this.send(KEEP_ALIVE_FRAME);
    const ending = this.clock.ending(nowMs, installationMs, this.hasReceived || this.socket.hasWritten);
    this.hasReceived = false;
    this.socket.hasWritten = false;
    if (ending !== undefined) this.close(ending.code, ending.reason, ending.error);
    else if (this.clock.isPingDue(nowMs)) this.socket.ping?.();
  }

  /** @param closed what it was sent, when it was us who closed it */
  private end(closed?: { readonly code: number; readonly reason: string }): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    const { registry, ended } = this.host;
    registry.remove(this);
    // Of those that end with this process nobody could be told.
    if (!registry.isDraining) ended.add(this, closed);
    this.host.limits.left(this);
    const cleared = this.clearSubscriptions();
    this.host.events.disconnected(this, async () => {
      await cleared;
      await this.host.attendance.endsTold(this.id, this.partitions ?? []);
    });
    this.turns.end();
    this.onRoom?.();
  }

  /** Piece by piece when there are many, unless this process is about to end. */
  private clearSubscriptions(): Promise<void> | undefined {
    const { registry, workTurns } = this.host;
    if (this.subscriptionsCount <= CLEARED_AT_ONCE || registry.isDraining) return void this.subscriptions.clear();
    return this.subscriptions.clearInTurns(workTurns);
  }

  private send(frame: string): void {
    if (this.socket.backlogBytes > this.host.maxBacklogBytes) this.cutOff();
    else this.socket.send(frame);
  }

  answer(frame: string, answerId: number | undefined): void {
    this.send(frame);
    if (answerId !== undefined) this.socket.answer(answerId, frame);
  }

  /** Does what one frame asks for, if it may; gives a promise only when that takes more than this moment. */
  perform(frame: WaitingFrame): Promise<void> | undefined {
    const { answerId, sinceMs, request = this.look(frame.text) } = frame;
    const cost = costOf(request, this);
    const refusal = this.throttle.take(cost);
    if (refusal === undefined) return this.performNow(request, answerId, cost);
    if (mustBeDone(request)) return this.performInTurn(request, answerId, sinceMs, cost);
    const { channel, ref } = namesOf(request);
    return void this.refuse(refusal, channel, answerId, ref);
  }

  private performNow(
    request: ClientFrame | Error,
    answerId: number | undefined,
    cost: Cost,
  ): Promise<void> | undefined {
    if (cost.includes('presence')) this.worked(PRESENCE_MS);
    const unfinished = this.host.requests.perform(this, request, answerId);
    // Whoever has gone needs no subscription, for which a token may be used up with which it comes back.
    if (unfinished === undefined || mustBeDone(request)) return unfinished;
    this.isWorking = true;
    return unfinished.finally(() => (this.isWorking = false));
  }

  private async performInTurn(
    request: ClientFrame | Error,
    answerId: number | undefined,
    sinceMs: number,
    cost: Cost,
  ): Promise<void> {
    try {
      if (await this.throttle.takeInTurn(cost, sinceMs)) await this.performNow(request, answerId, cost);
    } catch (error) {
      const { channel, ref } = namesOf(request);
      this.refuse(error, channel, answerId, ref);
    }
  }

  /** Names as the client sent them: it knows its requests by them (websocket-protocol §7, client-library §6). */
  refuse(error: unknown, channel: string | undefined, answerId: number | undefined, ref?: string): void {
    if (this.hasEnded) return;
    const refusal = protocolErrorOf(error);
    const { code, message, limited } = refusal;
    if (limited !== undefined && this.throttle.refused(refusal)) return;
    const isBug = code === 'INTERNAL_ERROR';
    if (isBug) this.host.logger.error({ connectionId: this.id, err: error }, 'a frame could not be processed');
    this.recordRefused(code);
    this.answer(errorFrame(code, message, channel, ref, limited), answerId);
  }

  private recordRefused(code: ErrorCode): void {
    if (code === 'INVALID_SUBSCRIBE_TOKEN') this.host.audit.refused('subscribe', this.sourceIp, code);
    if (code === 'INVALID_UMD_TOKEN') this.host.audit.refused('umd', this.sourceIp, code);
  }
}
