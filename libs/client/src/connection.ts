import { attempt, handled, record } from './listeners';
import { ConnectionChannel } from './connection-channel';
import type { ConnectionHost, SubscribeMembers } from './connection-host';
import { type Frame, type FrameData, HEARTBEAT, OPEN, PASSING, PONG, type SubscribeData } from './frames';
import { ClosedError, NotConnectedError, SubscribeError } from './errors';
import { loadToken } from './token';
import type { Off, Socket, SubscribeTokenFn } from './types';

/** Between looks at what should be subscribed and what is. */
const RECONCILE_MS = 250;
/** The server's first frame comes within this time (websocket-protocol §2). */
const CONNECTED_MS = 5_000;
/** A handshake that takes longer is not one. */
const OPEN_MS = 15_000;
const SUBSCRIBE_TOKEN_ATTEMPTS = 2;
/** A refused subscribe that may succeed later is repeated after this time, unless the server says another. */
const AGAIN_MS = 1_000;

interface CloseEvent {
  readonly code?: number;
  readonly reason?: string;
}

/**
 * One WebSocket, from its token to its end, and what is subscribed on it. A client has a new one for each attempt.
 *
 * Its public members are those of the official client's `activeConnection`.
 */
export class Connection {
  connectionId: string | undefined;
  connectionSecret: string | undefined;
  connectionExpiresAt: Date | undefined;
  uid: string | null | undefined;
  umd: unknown;
  ws: Socket | undefined;
  channels!: Record<string, ConnectionChannel>;
  channelAliasToReal!: Record<string, string>;
  channelRealToAlias!: Record<string, string>;
  /** @internal Of the last frame, on a clock that nobody sets. */
  heardAtMs = 0;

  private initialized: Promise<void> | undefined;
  private readonly whenOpen: Promise<void>;
  private settleOpen!: { resolve: () => void; reject: (error: unknown) => void };
  private readonly whenConnected: Promise<void>;
  private setConnected!: () => void;
  private readonly whenOver: Promise<never>;
  private setOver!: (error: ClosedError) => void;
  private stopTimer: Off | undefined;
  private stopHeartbeat: Off | undefined;
  private stopLoop: Off | undefined;
  private isClosed = false;
  private hasEnded = false;

  constructor(private readonly host: ConnectionHost) {
    this.forget();
    this.whenOpen = handled(new Promise((resolve, reject) => (this.settleOpen = { resolve, reject })));
    this.whenOver = handled(new Promise((_, reject) => (this.setOver = reject)));
    this.whenConnected = new Promise((resolve) => (this.setConnected = resolve));
  }

  get client(): unknown {
    return this.host;
  }

  /** @internal */
  get isOpen(): boolean {
    return this.ws?.readyState === OPEN && !this.isClosed;
  }

  /** @internal It will not open any more. */
  get isDone(): boolean {
    return this.hasEnded || this.isClosed;
  }

  /** @internal Begins, once. */
  initialize(): void {
    this.initialized ??= this.open();
    this.initialized.catch(() => undefined);
  }

  /** Resolves when the WebSocket has been made, not opened. @throws TokenError */
  initializationComplete = (): Promise<void> | undefined => this.initialized;

  /** Resolves when the WebSocket is open. @throws Error when it closes before */
  connectionOpen = (): Promise<void> => this.whenOpen;

  sendMessage = (text: string): void => {
    if (!this.isOpen) throw new NotConnectedError('no WebSocket connection available to send message');
    this.ws?.send(text);
    this.emit('@@messageSent', text);
  };

  /** Ends it for good; what waits for the other side waits elsewhere. */
  close(): void {
    this.isClosed = true;
    this.forget();
    this.stopTimers();
    if (this.ws === undefined) this.settleOpen.reject(new ClosedError());
    else this.ws.close();
  }

  /** @internal Ends it without waiting for the other side, which may be gone. */
  drop(code = 1006): void {
    const { ws } = this;
    if (this.hasEnded) return;
    if (ws !== undefined) {
      ws.onopen = ws.onmessage = ws.onclose = ws.onerror = () => undefined;
      ws.close();
    }
    this.end({ code, reason: '' });
  }

  /** @internal What a name of the application means here. */
  find(name: string): ConnectionChannel | undefined {
    return this.channels[this.channelAliasToReal[name] ?? name];
  }

  /** Subscribes what is wanted and is not, and ends what is and is not wanted. */
  manageSubscriptions = (): void => {
    if (!this.isOpen) return;
    const ended = new Set<ConnectionChannel | undefined>();
    for (const [name, channel] of Object.entries(this.channels)) {
      const alias = this.channelRealToAlias[name];
      const isWanted = this.host.isWanted(name) || (alias !== undefined && this.host.isWanted(alias));
      if (isWanted || channel.autoSubscribed) continue;
      if (channel.state !== 'subscribeConfirmed' && channel.state !== 'subscribePending') continue;
      ended.add(channel);
      this.unsubscribe(name, channel);
    }
    for (const name of this.host.wanted()) {
      const channel = this.find(name);
      if (!ended.has(channel) && !channel?.state?.startsWith('subscribe')) this.subscribe(name, false);
    }
  };

  /** @internal Somebody wants a channel that may have failed. */
  retry(name: string): void {
    const channel = this.find(name);
    if (channel?.isRefused) channel.state = undefined;
  }

  /** @internal Subscribes again, for what can only be asked for at the beginning. */
  resubscribe(name: string): void {
    const channel = this.find(name);
    if (!this.isOpen || channel?.state !== 'subscribeConfirmed') return;
    this.unsubscribe(channel.name, channel);
    // Its token function and its views are known by the name that the application uses.
    const used = this.host.isWanted(name) ? name : (this.channelRealToAlias[name] ?? name);
    this.subscribe(used, channel.autoSubscribed);
  }

  private async open(): Promise<void> {
    let token;
    try {
      token = await this.host.token(this.whenOver);
    } catch (error) {
      this.settleOpen.reject(error);
      if (this.isDone) return;
      this.hasEnded = true;
      if (this.host.tokenFailed(this, error)) return;
      throw error;
    }
    if (this.isDone) return;
    const asked = this.host.url(token);
    const url = typeof asked === 'string' ? asked : await asked;
    if (this.isDone) return;
    let ws;
    try {
      ws = this.host.openSocket(url);
    } catch (error) {
      this.hasEnded = true;
      this.settleOpen.reject(error);
      return this.host.openFailed(this, error);
    }
    this.attach(ws);
  }

  /** @internal Takes a socket that is opening, or open. */
  attach(ws: Socket): void {
    this.ws = ws;
    this.stopTimer = this.host.later(() => this.drop(), OPEN_MS);
    ws.onerror = (event: never) => this.emit('@@error', event);
    ws.onopen = (event: never) => this.opened(event);
    ws.onclose = (event: CloseEvent | undefined) => this.end(event);
    ws.onmessage = (event: { data: unknown }) => this.received(event);
  }

  private opened(event: unknown): void {
    this.settleOpen.resolve();
    if (!this.isClosed) {
      this.stopTimer?.();
      this.stopLoop = this.host.every(this.manageSubscriptions, RECONCILE_MS);
      this.beat();
      this.stopTimer = this.host.later(() => {
        if (this.connectionId === undefined) this.drop();
      }, CONNECTED_MS);
    }
    this.emit('@@connect', event);
    this.manageSubscriptions();
  }

  private received(event: { data: unknown }): void {
    if (this.isClosed) return;
    this.heardAtMs = performance.now();
    this.emit('@@message', event);
    this.host.received(this);
    // What makes no sense is told, and is no reason not to go on.
    attempt(() => {
      const frame = JSON.parse(String(event.data)) as Frame;
      this.takeIn(frame);
      this.host.frame(this, frame);
    }, this.host.failed);
  }

  private takeIn(frame: Frame): void {
    const { channel = '', error, event = '' } = frame;
    const data = frame.data ?? {};
    if (event.startsWith('hotsock.member')) this.of(channel).members = data.members ?? [];
    switch (event) {
      case 'hotsock.connected':
        return this.connected(frame, data);
      case 'hotsock.subscribed':
        return this.subscribed(channel, frame, data);
      case 'hotsock.unsubscribed':
        return this.reset(channel);
      case 'hotsock.ping':
        return this.trySend(PONG);
      case 'hotsock.error':
        if (frame.ref === undefined && error?.code !== undefined) this.refused(channel, error.code, error);
    }
  }

  private connected({ meta }: Frame, data: FrameData): void {
    this.stopTimer?.();
    this.uid = meta?.uid;
    this.umd = meta?.umd;
    this.connectionSecret = data.connectionSecret;
    this.connectionExpiresAt = data.connectionExpiresAt ? new Date(data.connectionExpiresAt) : undefined;
    this.connectionId = data.connectionId;
    this.setConnected();
  }

  private subscribed(name: string, { meta }: Frame, data: FrameData): void {
    const channel = this.of(name);
    channel.uid = meta?.uid || this.uid;
    channel.umd = meta?.umd || this.umd;
    channel.members = data.members ?? [];
    channel.state = 'subscribeConfirmed';
    const alias = meta?.channelAlias;
    const asked = (alias && this.channels[alias]) || channel;
    // The first time it comes of what the token says, and the connect URL asks; it stays so when we have asked for it again.
    channel.asksStorage = data.storage ?? ((!data.autoSubscribed || channel.autoSubscribed) && asked.asksStorage);
    channel.autoSubscribed ||= data.autoSubscribed === true;
    if (!alias) return;
    this.channelAliasToReal[alias] = name;
    this.channelRealToAlias[name] = alias;
    delete this.channels[alias];
  }

  private reset(name: string): void {
    const channel = this.of(name);
    channel.uid = channel.umd = null;
    channel.members = [];
    // It has been asked for again already.
    if (channel.state !== 'subscribePending') channel.state = 'unsubscribeConfirmed';
  }

  private refused(name: string, code: string, { message, retryAfterMs }: NonNullable<Frame['error']>): void {
    switch (code) {
      case 'NOT_SUBSCRIBED':
        this.of(name).state = 'unsubscribeConfirmed';
        break;
      case 'ALREADY_SUBSCRIBED':
        this.of(name).state = 'subscribeConfirmed';
        break;
      case 'SUBSCRIBE_PERMISSION_DENIED':
      case 'INVALID_SUBSCRIBE_TOKEN':
        this.of(name).state = 'subscribeFailed';
    }
    const channel = this.find(name);
    if (channel?.state !== 'subscribePending' && channel?.state !== 'subscribeFailed') return;
    channel.isRefused = !PASSING.has(code);
    if (channel.isRefused) return this.host.subscribeFailed(name, new SubscribeError(message ?? code, { code }));
    this.host.later(() => {
      if (channel.state === 'subscribePending') channel.state = undefined;
    }, retryAfterMs ?? AGAIN_MS);
  }

  /** The same, made where there is none: an error has the name that was used. */
  private of(name: string): ConnectionChannel {
    const real = this.channelAliasToReal[name] ?? name;
    return (this.channels[real] ??= new ConnectionChannel(real));
  }

  /** @param autoSubscribed whether it is what the token subscribed, asked for again */
  private subscribe(name: string, autoSubscribed: boolean): void {
    const channel = this.of(name);
    channel.autoSubscribed = autoSubscribed;
    channel.state = 'subscribePending';
    channel.isAsked = channel.isRefused = false;
    const tokenFn = this.host.subscribeTokenFn(name);
    const members = this.host.subscribeMembers(name);
    // At once where that is possible: whoever binds while the connection is open finds the frame sent.
    if (tokenFn === undefined && !(members instanceof Promise)) return this.ask(name, channel, undefined, members);
    void this.subscribeLater(name, channel, tokenFn, members);
  }

  private async subscribeLater(
    name: string,
    channel: ConnectionChannel,
    tokenFn: SubscribeTokenFn | undefined,
    members: SubscribeMembers | Promise<SubscribeMembers>,
  ): Promise<void> {
    try {
      let token;
      if (tokenFn !== undefined) {
        await this.whenConnected;
        const call = () => tokenFn({ channel: name, connectionId: this.connectionId ?? '' });
        token = await loadToken(call, SUBSCRIBE_TOKEN_ATTEMPTS, this.host.logger, this.whenOver);
      }
      this.ask(name, channel, token, await members);
    } catch (error) {
      if (channel.state !== 'subscribePending' || this.isDone) return;
      channel.state = 'subscribeFailed';
      channel.isRefused = true;
      this.host.logger.error('[hearth]', error);
      this.host.subscribeFailed(name, new SubscribeError('no token', { code: 'TOKEN', cause: error }));
    }
  }

  private ask(name: string, channel: ConnectionChannel, token: string | undefined, members: SubscribeMembers): void {
    if (!this.isOpen || channel.state !== 'subscribePending' || channel.isAsked) return;
    channel.isAsked = true;
    channel.asksStorage = members.storage;
    const data: SubscribeData = { token, ...members };
    const isEmpty = JSON.stringify(data) === '{}';
    this.trySend(JSON.stringify({ event: 'hotsock.subscribe', channel: name, data: isEmpty ? undefined : data }));
  }

  private unsubscribe(name: string, channel: ConnectionChannel): void {
    if (channel.state === 'subscribePending' && !channel.isAsked) {
      channel.state = undefined;
      return;
    }
    this.trySend(JSON.stringify({ event: 'hotsock.unsubscribe', channel: name }));
    channel.state = 'unsubscribePending';
  }

  /** @internal Whoever waits for an answer does not hear that it cannot be sent. */
  trySend(text: string): void {
    attempt(() => this.sendMessage(text), this.host.failed);
  }

  private beat(): void {
    const seconds = this.host.heartbeatIntervalSeconds;
    if (seconds === undefined) return;
    this.stopHeartbeat = this.host.later(
      () => {
        if (!this.isOpen) return;
        this.trySend(HEARTBEAT);
        this.beat();
      },
      seconds * (900 + 100 * Math.random()),
    );
  }

  private end(event: CloseEvent | undefined): void {
    if (this.hasEnded) return;
    const { code = 1006, reason = '' } = event ?? {};
    this.hasEnded = true;
    this.stopTimers();
    this.settleOpen.reject(new Error('connection closed'));
    this.forget();
    this.emit('@@disconnect', event);
    this.host.closed(this, code, reason);
  }

  private forget(): void {
    this.channels = record();
    this.channelAliasToReal = record();
    this.channelRealToAlias = record();
  }

  private stopTimers(): void {
    this.setOver(new ClosedError());
    this.stopTimer?.();
    this.stopHeartbeat?.();
    this.stopLoop?.();
  }

  private emit(event: string, value: unknown): void {
    for (const { messageFn } of this.host.bindingsOf(event)) attempt(() => messageFn(value), this.host.failed);
  }
}
