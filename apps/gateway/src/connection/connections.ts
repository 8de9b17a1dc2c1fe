import { setTimeout as delay } from 'node:timers/promises';
import { ProtocolError } from '@hearth/protocol';
import { every, Repeated } from '@hearth/timing';
import { Connection, ConnectionParts, Opening } from './connection';
import { ClientSocket } from '../frames/client-socket';
import { isSameSecret, newConnectionId } from './credentials';
import { Hub } from '../channel/hub';

/** Heartbeats must be noticed within a second; half of it leaves room for a busy moment. */
const SWEEP_MS = 500;

/** Everything a connection needs but what the registry itself provides, and what the sweep looks after besides. */
export interface SharedParts extends Omit<ConnectionParts, 'ended'> {
  readonly hub: Hub;
}

export interface ConnectionLimits {
  /** 0 = no limit. */
  readonly maxConnections: number;
  /** Time over which a drain spreads its closes. */
  readonly drainMs: number;
}

/** All connections of this gateway: who they are, and what time demands of them. One timer serves all of them. */
export class Connections {
  private readonly byId = new Map<string, Connection>();
  private readonly hub: Hub;
  private readonly parts: ConnectionParts;
  private readonly sweeper: Repeated;
  /** Handshakes that have been let in but are not connections yet. */
  private arriving = 0;
  private draining = false;

  constructor(
    { hub, ...parts }: SharedParts,
    private readonly limits: ConnectionLimits,
    /** Part of every new connection id; it may change when the gateway loses its lease. */
    private readonly gatewayId: () => number,
  ) {
    this.hub = hub;
    this.parts = { ...parts, ended: (connection) => this.forget(connection) };
    this.sweeper = every(SWEEP_MS, () => this.sweep(Date.now()));
  }

  /** Closing every connection, for good: nobody is let in any more. */
  get isDraining(): boolean {
    return this.draining;
  }

  has(connectionId: string): boolean {
    return this.byId.has(connectionId);
  }

  /** Places that are left; Infinity without a limit. */
  get room(): number {
    const { maxConnections } = this.limits;
    return maxConnections === 0 ? Infinity : maxConnections - this.byId.size - this.arriving;
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

  /** Begins a connection on a socket that has passed the handshake. */
  open(socket: ClientSocket, opening: Opening): void {
    const connection = new Connection(newConnectionId(this.gatewayId()), socket, opening, this.parts);
    socket.receiver = connection;
    this.byId.set(connection.id, connection);
    this.parts.metrics.connections.of(socket.transport).add(1);
    connection.start();
    // The drain may have passed by while the handshake was under way.
    if (this.isDraining) connection.close(1001, 'Going away');
  }

  /**
   * The open connection with these credentials.
   *
   * @throws ProtocolError `UNAUTHORIZED`
   */
  authenticate(connectionId: string, connectionSecret: string): Connection {
    const connection = this.byId.get(connectionId);
    if (connection === undefined || !isSameSecret(connection.secret, connectionSecret)) {
      throw new ProtocolError('UNAUTHORIZED', 'connectionId and connectionSecret must be those of an open connection');
    }
    return connection;
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
    const steps = Math.max(1, Math.floor(this.limits.drainMs / DRAIN_STEP_MS));
    const perStep = Math.ceil(leaving.length / steps);
    for (let from = 0; from < leaving.length; from += perStep) {
      for (const connection of leaving.slice(from, from + perStep)) connection.close(1001, 'Going away');
      if (from + perStep < leaving.length) await delay(DRAIN_STEP_MS);
    }
    this.closeAll();
  }

  stop(): void {
    void this.sweeper.stop();
    this.closeAll();
  }

  private sweep(nowMs: number): void {
    for (const connection of this.byId.values()) connection.sweep(nowMs);
    this.hub.sweep(nowMs);
    this.parts.rights.sweep(nowMs);
  }

  private forget(connection: Connection): void {
    this.byId.delete(connection.id);
    this.parts.metrics.connections.of(connection.socket.transport).add(-1);
  }
}

/** Small enough for an even spread, large enough not to matter. */
const DRAIN_STEP_MS = 50;
