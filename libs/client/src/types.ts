import type {
  ChannelName,
  EventsOf,
  MemberOf,
  PublishableOf,
  ShapeOf,
  Shapes,
  StorageOf,
} from '../../protocol/src/channel-shapes';
import type { BackoffOptions } from './backoff';
import type { HearthError } from './errors';
import type { TokenFn } from './token';

export type { Shapes };

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- what nobody has described
export type Untyped = any;
/** Where nothing is said: any name, any payload. */
type Loose = {
  events: Record<string, Untyped>;
  publish: Record<string, Untyped>;
  member: Untyped;
  storage: Record<string, Untyped>;
};
type IsAny<T> = 0 extends 1 & T ? true : false;

/** Names of channels. */
export type Name<S> = IsAny<S> extends true ? string : ChannelName<S>;
/** What is said of a channel. */
export type Of<S, N extends string> = IsAny<S> extends true ? Loose : ShapeOf<S, N>;
/** Payloads by event that a subscriber gets. */
export type Events<T> = IsAny<T> extends true ? Loose['events'] : EventsOf<T>;
/** Payloads by event that a client may publish. */
export type Pub<T> = IsAny<T> extends true ? Loose['publish'] : PublishableOf<T>;
/** Metadata of members. */
export type Umd<T> = IsAny<T> extends true ? Loose['member'] : MemberOf<T>;
/** Values by storage key. */
export type Stored<T> = IsAny<T> extends true ? Loose['storage'] : StorageOf<T>;

/** Ends what it came from; may be called more than once. */
export type Off = () => void;

export type State = 'idle' | 'connecting' | 'connected' | 'reconnecting' | 'suspended' | 'failed' | 'closed';
export type ChannelState = 'idle' | 'subscribing' | 'subscribed' | 'failed';

/** A message as it came. */
export interface MessageOf<Event, Data, Metadata = unknown> {
  readonly id?: string;
  readonly event: Event;
  readonly channel: string;
  readonly data: Data;
  /** Present when a client sent it. */
  readonly meta?: { readonly uid: string | null; readonly umd: Metadata | null };
  /** In history: counts by value. */
  readonly reactions?: Readonly<Record<string, { readonly count: number; readonly items?: readonly Member[] }>>;
}

export type Message<T, E extends keyof Events<T> = keyof Events<T>> = {
  [Event in E]: MessageOf<Event, Events<T>[Event], Umd<T>>;
}[E];

export interface Member<Metadata = unknown> {
  readonly uid: string;
  readonly umd: Metadata | null;
}

/** What became of a message that was published. */
export interface Published {
  readonly ref: string;
  /** `null` when it was not known in time, and of what is due later. */
  readonly id: string | null;
  /** A decimal number that rises within a channel. */
  readonly position?: string;
  /** It had been accepted before the connection was lost. */
  readonly duplicate?: boolean;
  readonly scheduleArn?: string;
}

/** Messages of a channel were missed and cannot be had. */
export interface Gap {
  readonly channel: string;
  /** `incomplete`, `missed` or `unsupported` (client-library §5). */
  readonly reason: string;
  /** Id of the last message before it, where there was one. */
  readonly after: string | null;
  /** Id of the first message behind it, where that is known. */
  readonly before: string | null;
}

/** Keeps resume points over the life of a client. */
export interface Store {
  get(key: string): string | null | Promise<string | null>;
  set(key: string, value: string | null): void | Promise<void>;
}

export interface Logger {
  debug(...what: unknown[]): void;
  info(...what: unknown[]): void;
  warn(...what: unknown[]): void;
  error(...what: unknown[]): void;
}

export type SubscribeTokenFn = TokenFn<{ channel: string; connectionId: string }>;

/** Options of the official client. */
export interface CompatOptions {
  /** Gives a connect token; called for each attempt. */
  connectTokenFn: TokenFn;
  connectTokenFnMaxAttempts?: number;
  /** Told when all attempts to get a token failed. */
  connectTokenErrorFn?: (error: Error) => void;
  /** Connects only when a channel is needed. */
  lazyConnection?: boolean;
  logger?: Logger;
  logLevel?: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent';
  /** Seconds between heartbeats, 5 to 600. */
  heartbeatIntervalSeconds?: number;
}

/** What of a WebSocket is used: the browser's, Node's, or that of `ws`. */
export interface Socket {
  readonly readyState: number;
  onopen: ((event: never) => unknown) | null;
  onclose: ((event: never) => unknown) | null;
  onerror: ((event: never) => unknown) | null;
  onmessage: ((event: never) => unknown) | null;
  send(text: string): void;
  close(code?: number, reason?: string): void;
}

export interface ClientOptions extends CompatOptions {
  /** Resume without a gap after a reconnect; on unless said otherwise. */
  recover?: boolean;
  /** Keeps resume points over reloads. */
  resumeStore?: Store;
  onGap?: (gap: Gap) => void;
  onError?: (error: unknown) => void;
  /** Where the HTTP API is, when not at the socket's origin. */
  httpUrl?: string;
  backoff?: BackoffOptions;
  /** A connection that is silent for so long is looked at; 0: never. */
  livenessSeconds?: number;
  /**
   * One connection for all tabs of an origin with the same URL and `uid`; each has its own where the browser has no locks, and
   * for tokens without a `uid`.
   */
  shareTabs?: boolean;
  WebSocket?: new (url: string) => Socket;
  fetch?: (url: string, request: { method: string; body: string; signal?: AbortSignal }) => Promise<Response>;
}

/** The part of a fetch's `Response` that is used; without the DOM's types at hand. */
export interface Response {
  readonly ok: boolean;
  readonly status: number;
  /** Absent: `json` has as long as a silence may be. */
  readonly body?: { getReader(): { read(): Promise<{ value?: Uint8Array }> } } | null;
  json(): Promise<unknown>;
}

export interface PublishOptions {
  /** When it is due, as an expression of AWS: `at(…)`. */
  schedule?: string;
  timezone?: string;
}

export interface HistoryOptions {
  /** Ids; of a message that may be gone. */
  after?: string;
  before?: string;
  /** Newest first. */
  reverse?: boolean;
  /** Most messages of the past. */
  limit?: number;
  /** Go on with what comes. */
  live?: boolean;
  expandReactions?: boolean;
  signal?: AbortSignal;
}

/** Who is there, as of the last frame. */
export interface Presence<T> {
  /** The same array as long as nothing changes. */
  readonly members: readonly Member<Umd<T>>[];
  /** Whether it is known to be up to date. */
  readonly synced: boolean;
  subscribe(onChange: () => void): Off;
  on(event: 'join' | 'leave' | 'update', listener: (member: Member<Umd<T>>) => void): Off;
}

/** Values that a channel keeps; one's own writes show at once. */
export interface Storage<T> {
  get<K extends keyof Stored<T> & string>(key: K): Stored<T>[K] | undefined;
  set<K extends keyof Stored<T> & string>(key: K, value: Stored<T>[K]): Promise<void>;
  delete(key: keyof Stored<T> & string): Promise<void>;
  /** The same map as long as nothing changes. */
  entries(): ReadonlyMap<string, Stored<T>[keyof Stored<T>]>;
  /** Whether a write of ours is on its way. */
  pending(key: keyof Stored<T> & string): boolean;
  readonly synced: boolean;
  subscribe(onChange: () => void): Off;
}

export interface HearthChannel<T> {
  readonly name: string;
  readonly state: ChannelState;
  /** Subscribes for as long as it lasts. */
  on<E extends keyof Events<T> & string>(event: E, listener: (message: Message<T, E>) => void): Off;
  on(event: '*', listener: (message: Message<T>) => void): Off;
  onGap(listener: (gap: Gap) => void): Off;
  /** Keeps the channel subscribed. */
  hold(): Off;
  /** Resolves when it is subscribed. @throws SubscribeError when that is refused */
  ready(): Promise<void>;
  publish<E extends keyof Pub<T> & string>(event: E, data?: Pub<T>[E], options?: PublishOptions): Promise<Published>;
  react(messageId: string, value: string, action?: 'add' | 'remove'): Promise<void>;
  history(options?: HistoryOptions): AsyncIterable<Message<T>>;
  readonly presence: Presence<T>;
  readonly storage: Storage<T>;
}

/** What `on` of a client tells, by name. */
export interface ClientEvents {
  state: State;
  gap: Gap;
  error: unknown;
}

export type ClientError = HearthError;
