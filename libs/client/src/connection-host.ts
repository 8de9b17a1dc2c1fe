import type { Binding } from './bindings';
import type { Connection } from './connection';
import type { SubscribeError } from './errors';
import type { Frame } from './frames';
import type { Logger, Off, Socket, SubscribeTokenFn } from './types';

/** What a subscribe frame says besides its token. */
export interface SubscribeMembers {
  readonly resume?: unknown;
  readonly storage?: boolean;
}

/** What a connection needs of its client. */
export interface ConnectionHost {
  readonly logger: Logger;
  readonly heartbeatIntervalSeconds: number | undefined;
  /** Channels that the application wants, by the names it uses. */
  wanted(): Iterable<string>;
  isWanted(name: string): boolean;
  /** The token function of a channel's bindings. */
  subscribeTokenFn(name: string): SubscribeTokenFn | undefined;
  subscribeMembers(name: string): SubscribeMembers | Promise<SubscribeMembers>;
  /** @param over rejects when it comes too late */
  token(over: Promise<never>): Promise<string>;
  /** @returns whether the application has been told */
  tokenFailed(connection: Connection, error: unknown): boolean;
  url(token: string): string | Promise<string>;
  openFailed(connection: Connection, error: unknown): void;
  openSocket(url: string): Socket;
  received(connection: Connection): void;
  /** The state of the connection has taken the frame in; the application has not. */
  frame(connection: Connection, frame: Frame): void;
  closed(connection: Connection, code: number, reason: string): void;
  subscribeFailed(name: string, error: SubscribeError): void;
  bindingsOf(event: string): readonly Binding[];
  readonly failed: (error: unknown) => void;
  later(call: () => void, ms: number): Off;
  every(call: () => void, ms: number): Off;
}
