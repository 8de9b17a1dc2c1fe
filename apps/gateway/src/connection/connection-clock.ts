import type { Claims } from '@hearth/claims';

/** Milliseconds. */
export interface ConnectionTimes {
  readonly lifetimeMs: number;
  readonly idleMs: number;
  readonly keepAliveMs: number;
  /** Infinity = never. */
  readonly pingMs: number;
}

/** What time demands of one connection (websocket-protocol §2). It has no timer: the gateway's sweep asks it. */
export class ConnectionClock {
  /** End of the connection; whole seconds, because that is what the client is told. */
  readonly expiresAtMs: number;
  private heartbeatDueMs: number;
  private keepAliveDueMs: number;
  private pingDueMs: number;
  private lastDataMs: number;

  constructor(
    private readonly claims: Pick<Claims, 'heartbeatTimeout' | 'keepAlive'>,
    private readonly times: ConnectionTimes,
    nowMs: number,
  ) {
    this.expiresAtMs = Math.floor((nowMs + times.lifetimeMs) / 1_000) * 1_000;
    this.heartbeatDueMs = Infinity;
    this.beat(nowMs);
    this.keepAliveDueMs = claims.keepAlive ? nowMs + times.keepAliveMs : Infinity;
    this.pingDueMs = nowMs + times.pingMs;
    this.lastDataMs = nowMs;
  }

  /** The client has sent a heartbeat; without the claim that means nothing. */
  beat(nowMs: number): void {
    const { heartbeatTimeout } = this.claims;
    if (heartbeatTimeout !== undefined) this.heartbeatDueMs = nowMs + heartbeatTimeout * 1_000;
  }

  /** Nothing was read from the client until now: that it was silent is not its fault, and it gets a whole timeout anew. */
  excuse(nowMs: number): void {
    this.beat(nowMs);
    this.lastDataMs = nowMs;
  }

  /** Whether a keep-alive must be sent now; asked before `endReason`, for it counts as traffic. */
  isKeepAliveDue(nowMs: number): boolean {
    if (nowMs < this.keepAliveDueMs) return false;
    this.keepAliveDueMs += this.times.keepAliveMs;
    return true;
  }

  isPingDue(nowMs: number): boolean {
    if (nowMs < this.pingDueMs) return false;
    this.pingDueMs = nowMs + this.times.pingMs;
    return true;
  }

  /**
   * Why the connection must end now; `undefined` when it may go on.
   *
   * @param hadData whether a data frame went either way since the last call
   */
  endReason(nowMs: number, hadData: boolean): string | undefined {
    if (hadData) this.lastDataMs = nowMs;
    if (nowMs >= this.expiresAtMs || nowMs - this.lastDataMs >= this.times.idleMs) return 'Going away';
    return nowMs >= this.heartbeatDueMs ? 'Heartbeat timeout' : undefined;
  }
}
