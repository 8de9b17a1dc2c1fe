import { setTimeout as delay } from 'node:timers/promises';
import { type EndCode, ProtocolError } from '@hearth/protocol';
import { HearthConfig } from '@hearth/config';
import { CONFIG, Metrics } from '@hearth/runtime';
import type { GatewayRequest } from '@hearth/stream';
import { Inject, Injectable } from '@nestjs/common';
import type { Subscription } from './subscription';
import type { UmdHolder } from '../commands/umd-updates';
import type { ClientSocket } from '../frames/client-socket';
import { isSameSecret } from './credentials';

/** A connection as the rest of the gateway finds it. */
export interface OpenConnection extends UmdHolder {
  readonly secret: string;
  readonly socket: ClientSocket;
  readonly sourceIp: string | undefined;
  readonly userAgent: string | undefined;
  readonly connectedAtMs: number;
  /** When it ends at the latest, ms since 1970. */
  readonly expiresAtMs: number;
  readonly subscriptionsCount: number;
  /** Some of its subscriptions may have been made with tokens of their own. */
  readonly hasSubscribeTokens: boolean;
  /** Digest of its connect token. */
  readonly tokenDigest: string;
  /**
   * What time demands; called about twice a second.
   *
   * @param nowMs by `performance.now()`
   * @param installationMs by `installationNow()`
   */
  sweep(nowMs: number, installationMs: number): void;
  /** @param error what a client is told that sees no close code */
  close(code: number, reason: string, error?: EndCode): void;
  /**
   * Takes what a call of the client HTTP API costs.
   *
   * @throws ProtocolError `RATE_LIMITED`, `LIMIT_REACHED`
   */
  takeCall(operation: GatewayRequest['operation']): void;
  /** Counts that a call was refused, if that was because of a limit. */
  refusedCall(error: ProtocolError): void;
  /** Ends a subscription of it, as if it had asked for that. */
  endSubscription(subscription: Subscription): void;
}

/** Small enough for an even spread, large enough not to matter. */
const DRAIN_STEP_MS = 50;

/** Who is connected to this gateway, by id, and how many more may be. */
@Injectable()
export class ConnectionRegistry {
  private readonly byId = new Map<string, OpenConnection>();
  /** Handshakes that have been let in but are not connections yet. */
  private arriving = 0;
  private draining = false;

  constructor(
    private readonly metrics: Metrics,
    @Inject(CONFIG) private readonly config: Pick<HearthConfig, 'maxConnections' | 'drainSeconds'>,
  ) {
    metrics.subscriptions.add(0);
    for (const transport of ['websocket', 'socket.io'] as const) metrics.connections.of(transport).add(0);
  }

  /** Closing every connection, for good: nobody is let in any more. */
  get isDraining(): boolean {
    return this.draining;
  }

  /** Places that are left; Infinity without a limit. */
  get room(): number {
    const { maxConnections } = this.config;
    return maxConnections === 0 ? Infinity : maxConnections - this.byId.size - this.arriving;
  }

  get(connectionId: string): OpenConnection | undefined {
    return this.byId.get(connectionId);
  }

  /** Those that come or go meanwhile may be among them or not. */
  all(): IterableIterator<OpenConnection> {
    return this.byId.values();
  }

  has(connectionId: string): boolean {
    return this.byId.has(connectionId);
  }

  /**
   * Takes a place for a handshake; give it back with the returned function when the handshake is over, one way or the
   * other.
   *
   * @throws ProtocolError `SERVICE_UNAVAILABLE` when there is none
   */
  reserve(): () => void {
    if (this.isDraining) throw new ProtocolError('SERVICE_UNAVAILABLE', 'the server is shutting down');
    if (this.room <= 0) throw new ProtocolError('SERVICE_UNAVAILABLE', 'too many connections');
    this.arriving++;
    let reserved = true;
    return () => {
      if (reserved) this.arriving--;
      reserved = false;
    };
  }

  add(connection: OpenConnection): void {
    this.byId.set(connection.id, connection);
    this.metrics.connections.of(connection.socket.transport).add(1);
  }

  remove(connection: OpenConnection): void {
    this.byId.delete(connection.id);
    this.metrics.connections.of(connection.socket.transport).add(-1);
  }

  /**
   * The open connection with these credentials.
   *
   * @throws ProtocolError `UNAUTHORIZED`
   */
  authenticate(connectionId: string, connectionSecret: string): OpenConnection {
    const connection = this.byId.get(connectionId);
    if (connection === undefined || !isSameSecret(connection.secret, connectionSecret)) {
      throw new ProtocolError('UNAUTHORIZED', 'connectionId and connectionSecret must be those of an open connection');
    }
    return connection;
  }

  /** Called by the gateway's timer. */
  sweep(nowMs: number, installationMs: number): void {
    for (const connection of this.byId.values()) connection.sweep(nowMs, installationMs);
  }

  /** Closes every connection; new ones may come. */
  closeAll(): void {
    for (const connection of this.byId.values()) connection.close(1001, 'Going away');
  }

  /**
   * Lets nobody in any more and closes every connection. The closes are spread over the drain time, because clients
   * reconnect at once: all together they would overrun the gateways that remain.
   */
  async drain(): Promise<void> {
    this.draining = true;
    const leaving = [...this.byId.values()];
    const begin = performance.now();
    for (let closed = 0; closed < leaving.length;) {
      // By the clock, because steps take longer on a busy machine.
      const share =
        (performance.now() - begin + DRAIN_STEP_MS) / Math.max(DRAIN_STEP_MS, this.config.drainSeconds * 1_000);
      const next = Math.ceil(leaving.length * Math.min(1, share));
      for (const connection of leaving.slice(closed, next)) connection.close(1001, 'Going away');
      closed = next;
      if (closed < leaving.length) await delay(DRAIN_STEP_MS);
    }
    this.closeAll();
  }
}
