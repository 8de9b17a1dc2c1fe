import type { Claims } from '@hearth/claims';
import type { EndCode } from '@hearth/protocol';

/** Milliseconds. */
export interface ConnectionTimes {
  readonly lifetimeMs: number;
  readonly idleMs: number;
  readonly keepAliveMs: number;
  /** Infinity = never. */
  readonly pingMs: number;
  /** How long after its `exp` a token is good. */
  readonly leewayMs: number;
  /** Whether a connection ends with its token, where that does not say. */
  readonly closeAtExp: boolean;
}

/** How a connection is ended. */
export interface Ending {
  readonly code: 1001 | 4401;
  readonly reason: string;
  /** For clients that see no close code. */
  readonly error?: EndCode;
}

const GOING_AWAY: Ending = { code: 1001, reason: 'Going away' };
const NO_HEARTBEAT: Ending = { code: 1001, reason: 'Heartbeat timeout' };
const TOKEN_EXPIRED: Ending = { code: 4401, reason: 'TOKEN_EXPIRED', error: 'TOKEN_EXPIRED' };

const wholeSeconds = (ms: number): number => Math.floor(ms / 1_000) * 1_000;

/**
 * What time demands of one connection (websocket-protocol §2). It has no timer: the gateway's sweep asks it. Its end is an instant
 * of the installation's clock, which may be set; everything else is a duration, by `performance.now()`.
 */
export class ConnectionClock {
  /** End of the connection, ms since 1970; whole seconds, because that is what the client is told. */
  readonly expiresAtMs: number;
  private readonly oldAtMs: number;
  private readonly tokenEndsAtMs: number;
  private heartbeatDueMs: number;
  private keepAliveDueMs: number;
  private pingDueMs: number;
  private lastDataMs: number;

  /** @param installationMs what `installationNow()` shows */
  constructor(
    private readonly claims: Pick<Claims, 'exp' | 'closeAtExp' | 'heartbeatTimeout' | 'keepAlive'>,
    private readonly times: ConnectionTimes,
    nowMs: number,
    installationMs: number,
  ) {
    const { exp, closeAtExp = times.closeAtExp } = claims;
    this.oldAtMs = wholeSeconds(installationMs + times.lifetimeMs);
    this.tokenEndsAtMs = closeAtExp ? exp * 1_000 + times.leewayMs : Infinity;
    this.expiresAtMs = Math.min(this.oldAtMs, wholeSeconds(this.tokenEndsAtMs));
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
   * How the connection must end now; `undefined` when it may go on.
   *
   * @param installationMs what `installationNow()` shows
   * @param hadData whether a data frame went either way since the last call
   */
  ending(nowMs: number, installationMs: number, hadData: boolean): Ending | undefined {
    if (hadData) this.lastDataMs = nowMs;
    if (installationMs >= this.tokenEndsAtMs) return TOKEN_EXPIRED;
    if (installationMs >= this.oldAtMs || nowMs - this.lastDataMs >= this.times.idleMs) return GOING_AWAY;
    return nowMs >= this.heartbeatDueMs ? NO_HEARTBEAT : undefined;
  }
}
