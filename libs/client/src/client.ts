import { type Binding, Bindings, type BindOptions, matches, type MessageFn, type UnbindOptions } from './bindings';
import { Channel } from './channel';
import type { Connection } from './connection';
import type { SubscribeMembers } from './connection-host';
import { ClosedError, InvalidArgumentError, NotConnectedError } from './errors';
import type { SubscribeError } from './errors';
import type { Frame } from './frames';
import { historyPage, httpOrigin, postMessage } from './http';
import { attempt, check } from './listeners';
import { Outbox, type Refusal } from './outbox';
import { PointStore } from './points';
import { ReconnectingClient } from './reconnecting';
import type { shareSocket } from './tabs';
import { claimsOf } from './token';
import { Tracks } from './tracks';
import { VERSION } from './version';
import type {
  Published,
  SubscribeTokenFn,
  ClientOptions,
  Gap,
  HearthChannel,
  Name,
  Of,
  Shapes,
  Socket,
  Untyped,
} from './types';

/** So long after a hole the channel is asked for again. */
const REFRESH_MS = 1_000;

/** What the application calls a channel: a facade, made anew each time, as the official client does. */
export interface ChannelFacade {
  bind: (event: string | RegExp, messageFn: MessageFn) => Binding;
  unbind: (event: string | RegExp, options?: { messageFn?: MessageFn | null }) => void;
  sendMessage: (event: string, options?: { data?: unknown }) => void;
  subscribeTokenFn: BindOptions['subscribeTokenFn'];
  readonly uid: string | null | undefined;
  readonly umd: unknown;
  readonly members: readonly unknown[];
}

/**
 * A client of Hearth: one connection that comes back by itself, and channels on it that miss nothing in silence
 * (client-library).
 */
export class HearthClient<S extends Shapes<S> = Untyped> extends ReconnectingClient {
  private readonly bindings: Bindings;
  /** @internal */
  readonly cached = new Map<string, Channel>();
  private readonly tracks: Tracks;
  /** @internal */
  readonly points: PointStore;
  /** @internal */
  readonly outbox: Outbox;
  private isReconciling = false;
  /** It was terminated and is still closing: what is bound to it is told of its end. */
  private leaving: Connection | undefined;
  private share: typeof shareSocket | undefined;

  /** @throws InvalidArgumentError, TypeError */
  constructor(webSocketUrl: string, given: ClientOptions) {
    super(webSocketUrl, given);
    const { options } = this;
    this.bindings = new Bindings(() => this.activeConnection);
    this.points = new PointStore(options.resumeStore, this.webSocketUrl, this.failed);
    const missed = (gap: Gap, names: readonly string[]): void => this.missed(gap, names);
    this.tracks = new Tracks(options.recover ?? true, this.points, missed, this.cached);
    this.outbox = new Outbox(this);
    if (!this.lazyConnection) this.begin();
  }

  get clientEventBindings(): Map<string | RegExp, Binding[]> {
    return this.bindings.ofClient;
  }

  get channelEventBindings(): Record<string, readonly Binding[]> {
    return Object.fromEntries(this.bindings.ofChannels);
  }

  /** The channel of this name: always the same object. */
  channel = <N extends Name<S> & string>(
    name: N,
    options?: Pick<BindOptions, 'subscribeTokenFn'>,
  ): HearthChannel<Of<S, N>> => {
    let channel = this.cached.get(name);
    if (channel === undefined) {
      check('string', { channel: name ?? null });
      channel = new Channel(this, name);
      this.cached.set(name, channel);
    }
    channel.subscribeTokenFn ??= options?.subscribeTokenFn;
    return channel as unknown as HearthChannel<Of<S, N>>;
  };

  bind = (event: string | RegExp, messageFn: MessageFn, options: BindOptions = {}): Binding => {
    const { channel } = options;
    check('function', { messageFn: messageFn ?? null });
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
    this.waiters.settle(error);
    this.stopListening?.();
    this.stopListening = undefined;
  };

  /** @internal */
  leave(): void {
    if (this.leaving !== undefined) this.bindings.clear();
    this.leaving = undefined;
  }

  /** Forgets all bindings. */
  clearBindings = (): void => this.bindings.clear();

  /** @internal */
  url(token: string): string | Promise<string> {
    this.tracks.begin(claimsOf(token));
    const { webSocketUrl } = this;
    const url = `${webSocketUrl}${webSocketUrl.includes('?') ? '&' : '?'}token=${token}&closeReason=1`;
    if (this.options.shareTabs && this.tracks.uid) return this.sharedUrl(url);
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
    if (Maker === undefined) throw new NotConnectedError('no WebSocket here: give the option WebSocket');
    this.logger.debug(`[hearth] connecting to ${this.webSocketUrl}`);
    const open = (): Socket => new Maker(url);
    const { share, tracks } = this;
    const name = JSON.stringify([VERSION, this.webSocketUrl, tracks.uid, this.options.recover]);
    return share?.(name, url, open) ?? open();
  }

  /** @internal */
  frame(connection: Connection, frame: Frame): void {
    const { event, channel = '', meta } = frame;
    const data = frame.data ?? {};
    if (connection !== this.activeConnection) return;
    if (event === 'hotsock.subscribed') this.tracks.subscribed(channel, meta?.channelAlias || undefined, data);
    else if (event === 'hotsock.messagesMissed') {
      this.tracks.missed(channel, data);
      // What happened to members and stored values is among it: they come anew with a subscription, behind what is there again.
      this.later(() => connection.resubscribe(channel), REFRESH_MS);
    } else if (event === 'hotsock.connected') this.connected();
    if (frame.ref !== undefined) this.outbox.answered(frame);
    if (!this.tracks.take(frame)) return;
    // What has none says how far a tab is.
    if (event !== undefined) this.dispatch(connection, frame, channel);
    this.tracks.done(frame);
    if (event === 'hotsock.subscribed' || event === 'hotsock.error') this.outbox.flush();
  }

  private dispatch(connection: Connection, frame: Frame, channel: string): void {
    const alias = connection.channelRealToAlias[channel];
    const names = alias === undefined ? [channel] : [channel, alias];
    const ofClient = [...this.bindings.ofClient.values()].flat();
    const ofChannels = names.flatMap((name) => this.bindings.of(name));
    for (const binding of [...ofClient, ...ofChannels]) {
      if (matches(binding.event, frame.event)) attempt(() => binding.messageFn(frame), this.failed);
    }
    for (const name of names) this.cached.get(name)?.receive(frame);
  }

  /** @internal */
  closed(connection: Connection, code: number, reason: string): void {
    if (connection === this.leaving) this.leave();
    if (!this.isCurrent(connection)) return;
    this.interrupted(connection);
    if (code === 1013 && reason === 'Messages missed') this.tracks.allMissed();
    if (this.isCurrent(connection)) this.tryAgain(code, reason || undefined);
  }

  /** @internal */
  isWanted(name: string): boolean {
    return this.bindings.of(name).length > 0 || this.cached.get(name)?.isWanted === true;
  }

  /** @internal */
  wanted(): Iterable<string> {
    const names = new Set([...this.bindings.ofChannels.keys(), ...this.cached.keys()]);
    return [...names].filter((name) => this.isWanted(name));
  }

  /** @internal */
  released(name: string): void {
    if (!this.isWanted(name)) {
      const channel = this.activeConnection.find(name);
      if (!channel?.autoSubscribed) this.tracks.forget(name);
    }
    this.activeConnection.manageSubscriptions();
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
    return this.tracks.members(name);
  }

  private missed(gap: Gap, names: readonly string[]): void {
    const { onGap } = this.options;
    if (onGap !== undefined) attempt(() => onGap(gap), this.failed);
    this.listeners.gap.emit(gap);
    for (const name of names) this.cached.get(name)?.missed(gap);
  }

  /** @internal Whom a message to a channel comes from. */
  uid(name: string): string | null {
    return this.activeConnection.find(name)?.uid ?? this.activeConnection.uid ?? null;
  }

  /** @internal */
  post(frame: object, refusal: Refusal): Promise<Omit<Published, 'ref'>> {
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
