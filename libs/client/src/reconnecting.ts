import { afterClose, NO_TRIES, STABLE_MS, type Tries } from './backoff';
import type { Binding } from './bindings';
import type { Channel } from './channel';
import { Connection } from './connection';
import type { SubscribeMembers } from './connection-host';
import { HearthError, InvalidArgumentError, TokenError, UnauthorizedError } from './errors';
import type { SubscribeError } from './errors';
import { type Frame, PING } from './frames';
import { checkOptions, listenersOf } from './checks';
import { attempt, Listeners, Waiters } from './listeners';
import { consoleLogger } from './logger';
import { listenToPage } from './page';
import type { Outbox } from './outbox';
import type { PointStore } from './points';
import { isUnauthorized, loadToken, type TokenFn } from './token';
import type { ClientEvents, ClientOptions, Gap, Logger, Off, Socket, State, SubscribeTokenFn } from './types';

const PROBE_MS = 10_000;
const OFFLINE_PROBE_MS = 5_000;
const OFFLINE_WAIT_MS = 60_000;
const AWAKE_MS = 1_000;

/**
 * One connection that comes back by itself (client-library §4), and looks whether the other side is there. `HearthClient`
 * knows what is said on it.
 *
 * - `idle`: not begun. `connecting`: until the first `hotsock.connected`. `connected`. `reconnecting`: it was connected
 *   and tries to be again.
 * - `suspended`: by `suspend()`, until `resume()`. `failed`: it may not connect; `error` says why. `closed`: by
 *   `terminate()`. The last two end with `connect()`, `resume()` or the next channel that is bound.
 */
export abstract class ReconnectingClient {
  state: State = 'idle';
  error: HearthError | undefined;
  activeConnection: Connection;
  readonly webSocketUrl: string;
  readonly connectTokenFn: TokenFn;
  readonly connectTokenFnMaxAttempts: number;
  readonly connectTokenErrorFn: ((error: Error) => void) | undefined;
  readonly lazyConnection: boolean;
  readonly logger: Logger;
  readonly logLevel: string;
  readonly heartbeatIntervalSeconds: number | undefined;

  private readonly log = (problem: unknown): void => this.logger.error('[hearth]', problem);

  /** @internal */
  failed = (error: unknown): void => {
    const { onError } = this.options;
    if (onError === undefined && this.listeners.error.size === 0) return this.log(error);
    if (onError !== undefined) attempt(() => onError(error), this.log);
    this.listeners.error.emit(error);
  };

  /** @internal */
  readonly listeners = {
    state: new Listeners<State>(this.failed),
    gap: new Listeners<Gap>(this.failed),
    error: new Listeners<unknown>(this.log),
  };
  /** @internal */
  readonly waiters = new Waiters();
  private tries: Tries = NO_TRIES;
  /** Of the connection; not yet: never. */
  private connectedAtMs = Infinity;
  private wasConnected = false;
  private stopTimer: Off | undefined;
  private stopProbe: Off | undefined;
  private isProbing = false;
  private isOffline = false;
  private isHidden = false;
  /** @internal */
  stopListening: Off | undefined;

  /** @internal */
  readonly options: ClientOptions;

  /** @throws InvalidArgumentError, TypeError */
  constructor(address: string, given: ClientOptions) {
    const [webSocketUrl, options] = checkOptions(address, given);
    this.webSocketUrl = webSocketUrl;
    this.options = options;
    this.connectTokenFn = options.connectTokenFn;
    this.connectTokenFnMaxAttempts = options.connectTokenFnMaxAttempts ?? 2;
    this.connectTokenErrorFn = options.connectTokenErrorFn;
    this.lazyConnection = options.lazyConnection ?? false;
    this.heartbeatIntervalSeconds = options.heartbeatIntervalSeconds;
    this.logLevel = options.logLevel ?? 'warn';
    this.logger = options.logger ?? consoleLogger(this.logLevel);
    this.activeConnection = new Connection(this);
  }

  /** @internal */
  abstract readonly points: PointStore;
  /** @internal */
  abstract readonly outbox: Outbox;
  /** @internal */
  abstract readonly cached: ReadonlyMap<string, Channel>;
  /** @internal It begins anew: what waited for the end of a connection before is over. */
  abstract leave(): void;
  /** @internal */
  abstract isWanted(name: string): boolean;
  /** @internal */
  abstract wanted(): Iterable<string>;
  /** @internal */
  abstract subscribeTokenFn(name: string): SubscribeTokenFn | undefined;
  /** @internal */
  abstract subscribeMembers(name: string): SubscribeMembers | Promise<SubscribeMembers>;
  /** @internal */
  abstract subscribeFailed(name: string, error: SubscribeError): void;
  /** @internal */
  abstract bindingsOf(event: string): readonly Binding[];
  /** @internal */
  abstract url(token: string): string | Promise<string>;
  /** @internal */
  abstract openSocket(url: string): Socket;
  /** @internal */
  abstract frame(connection: Connection, frame: Frame): void;
  /** @internal */
  abstract closed(connection: Connection, code: number, reason: string): void;

  /** Connects, where that has not begun. @throws UnauthorizedError, ClosedError */
  connect = (): Promise<void> => {
    if (this.state === 'connected') return Promise.resolve();
    const connected = this.waiters.wait();
    if (this.isStill) this.begin();
    return connected;
  };

  /** @throws InvalidArgumentError, TypeError */
  on = <E extends keyof ClientEvents>(event: E, listener: (value: ClientEvents[E]) => void): Off => {
    return (listenersOf(this.listeners, event) as Listeners<ClientEvents[E]>).add(listener);
  };

  suspend = (): void => {
    this.rest('suspended');
  };

  resume = (): void => {
    if (this.isStill && !this.activeConnection.isOpen) this.begin();
  };

  /** @internal It does nothing until it is asked to. */
  get isResting(): boolean {
    return this.state === 'idle' || this.state === 'failed' || this.state === 'closed';
  }

  /** @internal The same, or until `resume()`. */
  get isStill(): boolean {
    return this.isResting || this.state === 'suspended';
  }

  /** @internal Begins to connect, as if nothing had gone wrong before. */
  begin(): void {
    this.leave();
    this.stopListening ??= listenToPage({
      awake: () => this.awake(),
      offline: () => this.offline(),
      hidden: () => this.hidden(),
    });
    this.tries = NO_TRIES;
    this.wasConnected = false;
    this.error = undefined;
    this.setState('connecting');
    this.attempt();
  }

  private attempt(): void {
    this.stopTimer?.();
    this.connectNow();
  }

  /** @internal */
  connectNow(): void {
    this.renew().initialize();
  }

  /** @internal The connection that an attempt is made with. */
  renew(): Connection {
    if (this.activeConnection.initializationComplete() !== undefined || this.activeConnection.isDone) {
      this.activeConnection = new Connection(this);
    }
    return this.activeConnection;
  }

  /** @internal Ends the connection and all attempts, until somebody asks for one. */
  rest(state: State): void {
    this.stopTimer?.();
    const connection = this.activeConnection;
    connection.close();
    this.points.flush();
    this.setState(state);
    this.interrupted(connection);
  }

  /** @internal What was under way on it has to be said again, and what was shown may be old. */
  interrupted(connection: Connection): void {
    this.stopProbing();
    this.outbox.cut(connection);
    for (const channel of this.cached.values()) channel.lost();
  }

  /** @internal */
  token(over: Promise<never>): Promise<string> {
    return loadToken(() => this.connectTokenFn(), this.connectTokenFnMaxAttempts, this.logger, over);
  }

  /** @internal */
  tokenFailed(connection: Connection, error: unknown): boolean {
    const { connectTokenErrorFn: tell } = this;
    if (error instanceof TokenError && tell !== undefined) attempt(() => tell(error), this.failed);
    else this.failed(error);
    if (this.isCurrent(connection)) {
      if (isUnauthorized(error)) this.fail(error);
      else this.tryAgain(1006);
    }
    return tell !== undefined;
  }

  /** @internal There is no WebSocket here, or it takes no such URL: that will be no different in a second. */
  openFailed(connection: Connection, cause: unknown): void {
    // What a browser says of it has the token in it.
    const error =
      cause instanceof HearthError ? cause : new InvalidArgumentError(`no WebSocket at ${this.webSocketUrl}`);
    this.failed(error);
    if (this.isCurrent(connection)) this.fail(error);
  }

  /** @internal It is what the application wants now: whoever is told something may end it, or begin anew. */
  isCurrent(connection: Connection): boolean {
    return connection === this.activeConnection && !this.isStill;
  }

  /** @internal */
  received(connection: Connection): void {
    if (connection === this.activeConnection && this.isProbing) this.stopProbing();
    this.watchSilence();
  }

  /** @internal */
  connected(): void {
    this.connectedAtMs = performance.now();
    this.tries = { ...this.tries, unauthorized: 0, forbidden: 0 };
    this.wasConnected = true;
    this.setState('connected');
    this.waiters.settle();
    this.activeConnection.manageSubscriptions();
    this.outbox.flush();
  }

  /** @internal */
  tryAgain(code: number, reason?: string): void {
    if (performance.now() - this.connectedAtMs >= STABLE_MS) this.tries = NO_TRIES;
    this.connectedAtMs = Infinity;
    const { delayMs, tries, isFinal } = afterClose(code, this.tries, Math.random, this.options.backoff);
    this.tries = tries;
    if (isFinal) return this.fail(new UnauthorizedError(reason, { code: reason }));
    this.setState(this.wasConnected ? 'reconnecting' : 'connecting');
    if (this.isHidden) return;
    this.attemptIn(this.isOffline ? OFFLINE_WAIT_MS : delayMs);
  }

  private attemptIn(delayMs: number): void {
    this.stopTimer?.();
    this.stopTimer = this.later(() => this.attempt(), delayMs);
  }

  private fail(error: HearthError): void {
    this.stopTimer?.();
    this.error = error;
    this.setState('failed');
    this.waiters.settle(error);
  }

  private setState(state: State): void {
    if (this.state === state) return;
    this.state = state;
    this.listeners.state.emit(state);
  }

  /** Looks whether the other side is there, and gives it so long. */
  private probe(ms: number): void {
    if (this.state !== 'connected' || this.isProbing) return;
    this.isProbing = true;
    const connection = this.activeConnection;
    connection.trySend(PING);
    this.stopProbe?.();
    this.stopProbe = this.later(() => connection.drop(), ms);
  }

  private stopProbing(): void {
    this.isProbing = false;
    this.stopProbe?.();
    this.stopProbe = undefined;
  }

  private watchSilence(): void {
    const { livenessSeconds = 60 } = this.options;
    if (livenessSeconds <= 0 || this.stopProbe !== undefined) return;
    const look = (): void => {
      this.stopProbe = undefined;
      const leftMs = this.activeConnection.heardAtMs + livenessSeconds * 1_000 - performance.now();
      if (leftMs > 0) this.stopProbe = this.later(look, leftMs);
      else this.probe(PROBE_MS);
    };
    look();
  }

  private awake(): void {
    this.isOffline = this.isHidden = false;
    this.look(PROBE_MS, Math.random() * AWAKE_MS);
  }

  private offline(): void {
    this.isOffline = true;
    this.look(OFFLINE_PROBE_MS, OFFLINE_WAIT_MS);
  }

  /** The network is another one: looks whether a connection is there, and when to try where there is none. */
  private look(probeMs: number, attemptMs: number): void {
    this.probe(probeMs);
    // It wants a connection, and no attempt is under way.
    if (this.state.endsWith('connecting') && this.activeConnection.isDone) this.attemptIn(attemptMs);
  }

  /** A page that is put away holds no connection: what it would be sent could only wait, and be lost. */
  private hidden(): void {
    this.points.flush();
    if (this.isStill) return;
    this.isHidden = true;
    this.stopTimer?.();
    this.activeConnection.drop(1000);
  }

  /** @internal Calls back later. @returns takes that back */
  later(call: () => void, ms: number): Off {
    const timer = setTimeout(call, ms);
    return () => clearTimeout(timer);
  }

  /** @internal Calls back over and over. */
  every(call: () => void, ms: number): Off {
    const timer = setInterval(call, ms);
    return () => clearInterval(timer);
  }

  /** @internal */
  soon(call: () => void): void {
    queueMicrotask(call);
  }

  /** @internal */
  ready(): Connection | undefined {
    return this.state === 'connected' ? this.activeConnection : undefined;
  }
}
