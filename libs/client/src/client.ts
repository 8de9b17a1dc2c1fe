import { afterClose, NO_TRIES, STABLE_MS, type Tries } from './backoff';
import { type Binding, Bindings, type BindOptions, matches, type MessageFn, type UnbindOptions } from './bindings';
import { Channel } from './channel';
import { Connection } from './connection';
import type { SubscribeMembers } from './connection-host';
import {
  ClosedError,
  HearthError,
  InvalidArgumentError,
  NotConnectedError,
  TokenError,
  UnauthorizedError,
} from './errors';
import type { SubscribeError } from './errors';
import { type Frame, PING } from './frames';
import { historyPage, httpOrigin, postMessage } from './http';
import { attempt, handled, Listeners } from './listeners';
import { consoleLogger } from './logger';
import { Outbox, type Refusal } from './outbox';
import { listenToPage } from './page';
import { PointStore } from './points';
import type { shareSocket } from './tabs';
import { claimsOf, isUnauthorized, loadToken, type TokenFn } from './token';
import { Tracks } from './tracks';
import { VERSION } from './version';
import type {
  Published,
  SubscribeTokenFn,
  ClientEvents,
  ClientOptions,
  Gap,
  HearthChannel,
  Logger,
  Name,
  Of,
  Off,
  Shapes,
  Socket,
  State,
  Untyped,
} from './types';

const PROBE_MS = 10_000;
const OFFLINE_PROBE_MS = 5_000;
const OFFLINE_WAIT_MS = 60_000;
const AWAKE_MS = 1_000;

/** What the application calls a channel: a facade, made anew each time, as the official client does. */
export interface ChannelFacade {
  bind: (event: string | RegExp, messageFn: MessageFn) => Binding;
  unbind: (event: string | RegExp, options?: { messageFn?: MessageFn }) => void;
  sendMessage: (event: string, options?: { data?: unknown }) => void;
  subscribeTokenFn: BindOptions['subscribeTokenFn'];
  readonly uid: string | null | undefined;
  readonly umd: unknown;
  readonly members: readonly unknown[];
}

/**
 * A client of Hearth: one connection that comes back by itself, and channels on it that miss nothing in silence
 * (client-library).
 *
 * - `idle`: not begun. `connecting`: until the first `hotsock.connected`. `connected`. `reconnecting`: it was connected
 *   and tries to be again.
 * - `suspended`: by `suspend()`, until `resume()`. `failed`: it may not connect; `error` says why. `closed`: by
 *   `terminate()`. The last two end with `connect()`, `resume()` or the next channel that is bound.
 */
export class HearthClient<S extends Shapes<S> = Untyped> {
  state: State = 'idle';
  error: HearthError | undefined;
  activeConnection: Connection;
  readonly connectTokenFn: TokenFn;
  readonly connectTokenFnMaxAttempts: number;
  readonly connectTokenErrorFn: ((error: Error) => void) | undefined;
  readonly lazyConnection: boolean;
  readonly logger: Logger;
  readonly logLevel: string;
  readonly heartbeatIntervalSeconds: number | undefined;

  private readonly bindings: Bindings;
  private readonly cached = new Map<string, Channel>();
  private readonly tracks: Tracks;
  private readonly points: PointStore;
  /** @internal */
  readonly outbox: Outbox;
  private readonly listeners = {
    state: new Listeners<State>(),
    gap: new Listeners<Gap>(),
    error: new Listeners<unknown>(),
  };
  private waiters: { resolve: () => void; reject: (error: HearthError) => void }[] = [];
  private tries: Tries = NO_TRIES;
  private connectedAtMs: number | undefined;
  private wasConnected = false;
  private stopTimer: Off | undefined;
  private stopProbe: Off | undefined;
  private isProbing = false;
  private isOffline = false;
  private isHidden = false;
  private isReconciling = false;
  private stopListening: Off | undefined;
  private share: typeof shareSocket | undefined;

  /** @throws InvalidArgumentError, TypeError */
  constructor(
    readonly webSocketUrl: string,
    private readonly options: ClientOptions,
  ) {
    const { connectTokenFn, connectTokenErrorFn, heartbeatIntervalSeconds: seconds, logLevel = 'warn' } = options ?? {};
    if (!webSocketUrl) throw new InvalidArgumentError('webSocketUrl must be provided');
    if (typeof connectTokenFn !== 'function') throw new TypeError('connectTokenFn must be a function');
    if (connectTokenErrorFn && typeof connectTokenErrorFn !== 'function') {
      throw new TypeError('connectTokenErrorFn must be a function');
    }
    if (seconds !== undefined && !(typeof seconds === 'number' && seconds >= 5 && seconds <= 600)) {
      throw new InvalidArgumentError('heartbeatIntervalSeconds must be a finite number between 5 and 600');
    }
    this.connectTokenFn = connectTokenFn;
    this.connectTokenFnMaxAttempts = options.connectTokenFnMaxAttempts ?? 2;
    this.connectTokenErrorFn = connectTokenErrorFn;
    this.lazyConnection = options.lazyConnection ?? false;
    this.heartbeatIntervalSeconds = seconds;
    this.logLevel = logLevel;
    this.logger = options.logger ?? consoleLogger(logLevel);
    this.bindings = new Bindings(() => this.activeConnection);
    this.points = new PointStore(options.resumeStore, webSocketUrl, (error) => this.failed(error));
    this.tracks = new Tracks(options.recover ?? true, this.points, (gap, names) => this.missed(gap, names));
    this.outbox = new Outbox(this);
    this.activeConnection = new Connection(this);
    if (!this.lazyConnection) this.begin();
  }

  get clientEventBindings(): Map<string | RegExp, Binding[]> {
    return this.bindings.ofClient;
  }

  get channelEventBindings(): Record<string, Binding[]> {
    return this.bindings.ofChannels;
  }

  /** Connects, where that has not begun. @throws UnauthorizedError, ClosedError */
  connect = (): Promise<void> => {
    if (this.state === 'connected') return Promise.resolve();
    const connected = handled(new Promise<void>((resolve, reject) => this.waiters.push({ resolve, reject })));
    if (this.isResting || this.state === 'suspended') this.begin();
    return connected;
  };

  on = <E extends keyof ClientEvents>(event: E, listener: (value: ClientEvents[E]) => void): Off =>
    (this.listeners[event] as Listeners<ClientEvents[E]>).add(listener);

  /** The channel of this name: always the same object. */
  channel = <N extends Name<S> & string>(
    name: N,
    options: Pick<BindOptions, 'subscribeTokenFn'> = {},
  ): HearthChannel<Of<S, N>> => {
    let channel = this.cached.get(name);
    if (channel === undefined) {
      channel = new Channel(this, name);
      this.cached.set(name, channel);
    }
    if (options.subscribeTokenFn !== undefined) channel.subscribeTokenFn ??= options.subscribeTokenFn;
    return channel as unknown as HearthChannel<Of<S, N>>;
  };

  bind = (event: string | RegExp, messageFn: MessageFn, options: BindOptions = {}): Binding => {
    if (typeof messageFn !== 'function') throw new TypeError('messageFn must be a function');
    const { channel } = options;
    this.leave();
    const binding = this.bindings.add(event, messageFn, options, () => this.unbind(event, { messageFn, channel }));
    if (!channel) return binding;
    if (this.isResting) this.begin();
    this.activeConnection.retry(channel);
    this.activeConnection.manageSubscriptions();
    return binding;
  };

  unbind = (event: string | RegExp, { messageFn, channel }: UnbindOptions = {}): void => {
    if (!channel) return this.bindings.removeFromClient(event, messageFn);
    this.bindings.removeFromChannel(event, channel, messageFn);
    if (!this.isWanted(channel)) this.released(channel);
  };

  channels = (name: string): ChannelFacade => {
    const found = () => this.activeConnection.find(name);
    const { bind, unbind, sendMessage } = this;
    const facade: ChannelFacade = {
      subscribeTokenFn: undefined,
      bind: (event, messageFn) => bind(event, messageFn, { channel: name, subscribeTokenFn: facade.subscribeTokenFn }),
      unbind: (event, { messageFn } = {}) => unbind(event, { messageFn, channel: name }),
      sendMessage: (event, { data } = {}) => sendMessage(event, { channel: name, data }),
      get uid() {
        return found()?.uid;
      },
      get umd() {
        return found()?.umd;
      },
      get members() {
        return found()?.members ?? [];
      },
    };
    return facade;
  };

  /** @throws InvalidArgumentError, NotConnectedError */
  sendMessage = (event: string, { channel, data }: { channel?: string; data?: unknown } = {}): void => {
    if (!event) throw new InvalidArgumentError('event must be provided');
    this.sendRawMessage(JSON.stringify({ channel, event, data }));
  };

  /** @throws NotConnectedError */
  sendRawMessage = (text: string): void => this.activeConnection.sendMessage(text);

  suspend = (): void => {
    this.rest('suspended');
  };

  resume = (): void => {
    if (this.activeConnection.isOpen || (!this.isResting && this.state !== 'suspended')) return;
    this.begin();
  };

  terminate = (): void => {
    const error = new ClosedError();
    const connection = this.activeConnection;
    // Whoever waits for the end is told of it.
    if (connection.ws === undefined || connection.isDone) this.bindings.clear();
    else this.leaving = connection;
    this.tracks.forgetAll();
    this.outbox.close();
    this.rest('closed');
    for (const channel of this.cached.values()) channel.close();
    this.settle(error);
    this.stopListening?.();
    this.stopListening = undefined;
  };

  private leave(): void {
    if (this.leaving !== undefined) this.bindings.clear();
    this.leaving = undefined;
  }

  /** Forgets all bindings. */
  clearBindings = (): void => this.bindings.clear();

  /** It was terminated and is still closing: what is bound to it is told of its end. */
  private leaving: Connection | undefined;

  /** It does nothing until it is asked to. */
  private get isResting(): boolean {
    return this.state === 'idle' || this.state === 'failed' || this.state === 'closed';
  }

  /** Begins to connect, as if nothing had gone wrong before. */
  private begin(): void {
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

  /** Ends the connection and all attempts, until somebody asks for one. */
  private rest(state: State): void {
    this.stopTimer?.();
    this.stopProbing();
    const connection = this.activeConnection;
    const hadSocket = connection.ws !== undefined;
    connection.close();
    this.points.flush();
    this.setState(state);
    this.outbox.cut(connection);
    if (hadSocket) for (const channel of this.cached.values()) channel.lost();
  }

  /** @internal */
  token(): Promise<string> {
    const warn = (number: number, error: unknown): void =>
      this.logger.warn(`[hearth] no token, attempt ${number}:`, error);
    return loadToken(() => this.connectTokenFn(), this.connectTokenFnMaxAttempts, warn);
  }

  /** @internal */
  tokenFailed(connection: Connection, error: unknown): boolean {
    if (connection !== this.activeConnection) return true;
    const { connectTokenErrorFn: tell } = this;
    if (error instanceof TokenError && tell !== undefined) attempt(() => tell(error), this.failed);
    else this.failed(error);
    if (isUnauthorized(error)) this.fail(error);
    else this.tryAgain(1006);
    return tell !== undefined;
  }

  /** @internal There is no WebSocket here, or it takes no such URL: that will be no different in a second. */
  openFailed(connection: Connection, cause: unknown): void {
    if (connection !== this.activeConnection) return;
    // What a browser says of it has the token in it.
    const error = cause instanceof HearthError ? cause : new InvalidArgumentError(`cannot open ${this.webSocketUrl}`);
    this.failed(error);
    this.fail(error);
  }

  /** @internal */
  url(token: string): string | Promise<string> {
    this.tracks.begin(claimsOf(token));
    const { webSocketUrl } = this;
    const url = `${webSocketUrl}${webSocketUrl.includes('?') ? '&' : '?'}token=${token}&closeReason=1`;
    if (this.options.shareTabs === true && this.tracks.uid) return this.sharedUrl(url);
    return this.resumingUrl(url);
  }

  private resumingUrl(url: string): string | Promise<string> {
    return this.tracks.resumeParameter()?.then((resume) => `${url}&resume=${resume}`) ?? url;
  }

  /** Who says nothing of a user shares with nobody: the tabs may be of two. */
  private async sharedUrl(url: string): Promise<string> {
    // Loaded only now: most applications do not share. A name with its ending would be right for TypeScript alone.
    // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-assertion -- see above
    const tabs = (await import('./tabs' as string).catch(() => undefined)) as
      { shareSocket: typeof shareSocket } | undefined;
    this.share = tabs?.shareSocket;
    return this.resumingUrl(url);
  }

  /** @internal */
  openSocket(url: string): Socket {
    const Maker = this.options.WebSocket ?? (globalThis as { WebSocket?: new (url: string) => Socket }).WebSocket;
    if (Maker === undefined) throw new NotConnectedError('no WebSocket here');
    this.logger.debug(`[hearth] connecting to "${this.webSocketUrl}"`);
    const open = (): Socket => new Maker(url);
    const { share, tracks } = this;
    const name = JSON.stringify([VERSION, this.webSocketUrl, tracks.uid, this.options.recover]);
    return share?.(name, url, open) ?? open();
  }

  /** @internal */
  received(connection: Connection): void {
    if (connection === this.activeConnection && this.isProbing) this.stopProbing();
    this.watchSilence();
  }

  /** @internal */
  frame(connection: Connection, frame: Frame, isCopy = false): void {
    const { event, channel = '', data, meta } = frame;
    if (connection !== this.activeConnection) return;
    if (event === 'hotsock.subscribed') this.tracks.subscribed(channel, meta?.channelAlias || undefined, data ?? {});
    else if (event === 'hotsock.messagesMissed') this.tracks.missed(channel, data ?? {});
    else if (event === 'hotsock.connected') this.connected();
    if (frame.ref !== undefined) this.outbox.answered(frame);
    if (!this.tracks.take(frame, isCopy)) return;
    this.dispatch(connection, frame, channel);
    this.tracks.done(frame);
    if (event === 'hotsock.subscribed' || event === 'hotsock.error') this.outbox.flush();
  }

  private dispatch(connection: Connection, frame: Frame, channel: string): void {
    const alias = connection.channelRealToAlias[channel];
    const names = alias === undefined ? [channel] : [channel, alias];
    const ofClient = [...this.bindings.ofClient.values()].flat();
    const ofChannels = names.flatMap((name) => this.bindings.of(name));
    for (const binding of [...ofClient, ...ofChannels]) {
      if (matches(binding, frame.event)) attempt(() => binding.messageFn(frame), this.failed);
    }
    for (const name of names) this.cached.get(name)?.receive(frame);
  }

  private connected(): void {
    this.connectedAtMs = Date.now();
    this.tries = { ...this.tries, unauthorized: 0, forbidden: 0 };
    this.wasConnected = true;
    this.setState('connected');
    this.settle(undefined);
    this.activeConnection.manageSubscriptions();
    this.outbox.flush();
  }

  /** @internal */
  closed(connection: Connection, code: number, reason: string): void {
    if (connection === this.leaving) this.leave();
    if (connection !== this.activeConnection || this.isResting || this.state === 'suspended') return;
    this.stopProbing();
    for (const channel of this.cached.values()) channel.lost();
    this.outbox.cut(connection);
    if (code === 1013 && reason === 'Messages missed') this.tracks.allMissed();
    this.tryAgain(code, reason);
  }

  private tryAgain(code: number, reason?: string): void {
    if (this.connectedAtMs !== undefined && Date.now() - this.connectedAtMs >= STABLE_MS) this.tries = NO_TRIES;
    this.connectedAtMs = undefined;
    const { delayMs, tries, isFinal } = afterClose(code, this.tries, Math.random, this.options.backoff);
    this.tries = tries;
    if (isFinal) return this.fail(new UnauthorizedError(reason || undefined, { code: reason || undefined }));
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
    this.settle(error);
  }

  private settle(error: HearthError | undefined): void {
    for (const { resolve, reject } of this.waiters.splice(0)) {
      if (error === undefined) resolve();
      else reject(error);
    }
  }

  private setState(state: State): void {
    if (this.state === state) return;
    this.state = state;
    this.listeners.state.emit(state, this.failed);
  }

  /** Looks whether the other side is there, and gives it so long. */
  private probe(ms: number): void {
    if (this.state !== 'connected' || this.isProbing) return;
    this.isProbing = true;
    const connection = this.activeConnection;
    attempt(() => connection.sendMessage(PING), this.failed);
    this.stopProbe?.();
    this.stopProbe = this.later(() => connection.drop(1006, ''), ms);
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
      const leftMs = this.activeConnection.heardAtMs + livenessSeconds * 1_000 - Date.now();
      if (leftMs > 0) this.stopProbe = this.later(look, leftMs);
      else this.probe(PROBE_MS);
    };
    this.stopProbe = this.later(look, livenessSeconds * 1_000);
  }

  private awake(): void {
    this.isOffline = this.isHidden = false;
    if (this.state === 'connected') this.probe(PROBE_MS);
    else if (this.isWaiting) this.attemptIn(Math.random() * AWAKE_MS);
  }

  private offline(): void {
    this.isOffline = true;
    if (this.state === 'connected') this.probe(OFFLINE_PROBE_MS);
    else if (this.isWaiting) this.attemptIn(OFFLINE_WAIT_MS);
  }

  /** A page that is put away holds no connection: what it would be sent could only wait, and be lost. */
  private hidden(): void {
    this.points.flush();
    if (this.isResting || this.state === 'suspended') return;
    this.isHidden = true;
    this.stopTimer?.();
    this.activeConnection.drop(1000, 'the page is hidden');
  }

  /** It wants a connection, and no attempt is under way. */
  private get isWaiting(): boolean {
    return (this.state === 'connecting' || this.state === 'reconnecting') && this.activeConnection.isDone;
  }

  /** @internal */
  isWanted(name: string): boolean {
    return this.bindings.of(name).length > 0 || this.cached.get(name)?.isWanted === true;
  }

  /** @internal */
  *wanted(): Iterable<string> {
    for (const [name, { length }] of Object.entries(this.bindings.ofChannels)) if (length > 0) yield name;
    for (const [name, channel] of this.cached) {
      if (channel.isWanted && this.bindings.of(name).length === 0) yield name;
    }
  }

  /** @internal */
  released(name: string): void {
    if (!this.isWanted(name)) {
      const channel = this.activeConnection.find(name);
      if (channel?.autoSubscribed !== true) this.tracks.forget(name);
    }
    this.activeConnection.manageSubscriptions();
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

  /** @internal Soon, so that what one component wants in one go is asked in one go. */
  changed(name: string): void {
    if (this.isResting) this.begin();
    this.activeConnection.retry(name);
    if (this.isReconciling) return;
    this.isReconciling = true;
    this.soon(() => {
      this.isReconciling = false;
      this.activeConnection.manageSubscriptions();
    });
  }

  /** @internal */
  maySend(name: string): boolean {
    if (!this.isWanted(name)) return true;
    const state = this.activeConnection.find(name)?.state;
    return state === 'subscribeConfirmed' || state === 'subscribeFailed';
  }

  /** @internal */
  subscribeMembers(name: string): SubscribeMembers | Promise<SubscribeMembers> {
    const storage = this.cached.get(name)?.wantsStorage === true ? true : undefined;
    const resume = this.tracks.resume(name);
    return resume instanceof Promise
      ? resume.then((point: unknown) => ({ resume: point, storage }))
      : { resume, storage };
  }

  private missed(gap: Gap, names: readonly string[]): void {
    const { onGap } = this.options;
    if (onGap !== undefined) attempt(() => onGap(gap), this.failed);
    this.listeners.gap.emit(gap, this.failed);
    for (const name of names) this.cached.get(name)?.missed(gap);
  }

  /** @internal */
  ready(): Connection | undefined {
    return this.state === 'connected' ? this.activeConnection : undefined;
  }

  /** @internal Whom a message to a channel comes from. */
  uid(name: string): string | null {
    return this.activeConnection.find(name)?.uid ?? this.activeConnection.uid ?? null;
  }

  /** @internal */
  post(frame: object, refusal: Refusal): Promise<Partial<Published>> {
    return postMessage(this.httpTarget(), frame, refusal);
  }

  /** @internal */
  list(name: string, request: object, signal: AbortSignal | undefined): Promise<readonly Frame[]> {
    return historyPage(this.httpTarget(), { channel: name, ...request }, signal);
  }

  private httpTarget() {
    const { connectionId = '', connectionSecret = '' } = this.activeConnection;
    const fetcher =
      this.options.fetch ?? (globalThis as unknown as { fetch: NonNullable<ClientOptions['fetch']> }).fetch;
    const base = this.options.httpUrl ?? httpOrigin(this.webSocketUrl);
    return { base, connectionId, connectionSecret, fetch: fetcher };
  }

  /** @internal */
  failed = (error: unknown): void => {
    const { onError } = this.options;
    const { size } = this.listeners.error;
    if (onError === undefined && size === 0) return this.logger.error('[hearth]', error);
    const log = (problem: unknown): void => this.logger.error('[hearth]', problem);
    if (onError !== undefined) attempt(() => onError(error), log);
    this.listeners.error.emit(error, log);
  };

  /** @internal */
  subscribeTokenFn(name: string): SubscribeTokenFn | undefined {
    const bound = this.bindings.of(name).find(({ subscribeTokenFn }) => typeof subscribeTokenFn === 'function');
    return bound?.subscribeTokenFn ?? this.cached.get(name)?.subscribeTokenFn;
  }

  /** @internal */
  bindingsOf(event: string): readonly Binding[] {
    return this.bindings.ofClient.get(event) ?? [];
  }

  /** @internal */
  subscribeFailed(name: string, error: SubscribeError): void {
    const channel = this.cached.get(name);
    if (channel === undefined) return;
    channel.subscribeFailed(error);
    this.failed(error);
  }
}
