import { setTimeout as delay } from 'node:timers/promises';
import { limitReached, type ProtocolError, rateLimited } from '@hearth/protocol';
import type { ConnectionBuckets, RateName, Refusal } from '@hearth/limits';
import type { Claims } from '@hearth/claims';
import type { Limited, Limits } from './connection-limits';
import { loopTurn } from './loop-turn';
import { PING_COST } from './operation-cost';

/** A subscribe waits no longer for its turn (limits §3). */
const MAX_TURN_MS = 10_000;
const CLOSED_BY_LIMIT = 4429;

/** A connection whose operations are counted. */
export interface Throttled extends Limited {
  readonly connect: Claims;
  readonly tokenDigest: string;
  readonly hasEnded: boolean;
  close(code: number, reason: string, error?: 'RATE_LIMITED'): void;
}

/** Counts what one connection does, over its socket and over HTTP; made when it does something for the first time. */
export class Throttle {
  private readonly buckets: ConnectionBuckets;
  /** Why pings were refused last, and in which turn of the event loop. */
  private pingRefusal: { readonly turn: number; readonly error: ProtocolError } | undefined;

  constructor(
    private readonly connection: Throttled,
    private readonly limits: Limits,
  ) {
    this.buckets = limits.bucketsFor(connection.connect);
  }

  /** Takes what an operation costs; if that is too much, nothing, and tells why it is refused. */
  take(cost: readonly RateName[]): ProtocolError | undefined {
    const refusal = this.refusalOf(cost, performance.now());
    return refusal && errorOf(refusal);
  }

  /**
   * Takes what pings cost, or pongs.
   *
   * @returns why they are refused; once in a turn of the event loop, because each answer is a write, and says it of all that come
   *   in that turn
   */
  takePings(count: number): ProtocolError | undefined {
    const turn = loopTurn();
    let told: ProtocolError | undefined;
    for (let left = count; left > 0 && !this.connection.hasEnded; left--) {
      if (this.pingRefusal?.turn === turn) {
        this.refused(this.pingRefusal.error);
        continue;
      }
      const error = this.take(PING_COST);
      if (error === undefined) continue;
      this.pingRefusal = { turn, error };
      // The first is counted by whoever answers.
      told = error;
    }
    return told;
  }

  /** Takes what an operation costs, unless it may not be done now. Who may send no bytes may do nothing at all. */
  private refusalOf(cost: readonly RateName[], nowMs: number): Refusal | undefined {
    const mayBeRead = this.buckets.waitMs('bytes', nowMs) < Infinity;
    return mayBeRead ? this.buckets.take(cost, nowMs) : { name: 'bytes', waitMs: Infinity };
  }

  /**
   * Takes what an operation costs that must not be refused, because nobody would ask for it again; waits until it may.
   *
   * @param sinceMs when it was asked for, by `performance.now()`
   * @returns whether it may be done now; the connection has ended otherwise
   * @throws ProtocolError `LIMIT_REACHED` when it may never be done
   */
  async takeInTurn(cost: readonly RateName[], sinceMs: number): Promise<boolean> {
    const giveUpAtMs = sinceMs + MAX_TURN_MS;
    let isCounted = false;
    for (;;) {
      const nowMs = performance.now();
      const refusal = this.refusalOf(cost, nowMs);
      if (refusal === undefined) return true;
      if (refusal.waitMs === Infinity) throw errorOf(refusal);
      if (!isCounted) this.limits.count(limitOf(refusal), 'delayed', this.connection);
      isCounted = true;
      const restMs = giveUpAtMs - nowMs;
      if (restMs <= 0) {
        this.sendAway(limitOf(refusal));
        return false;
      }
      await delay(Math.min(refusal.waitMs, restMs));
      if (this.connection.hasEnded) return false;
    }
  }

  /**
   * Counts bytes that were read.
   *
   * @returns how long nothing more shall be read; 0 for no time
   */
  read(bytes: number): number {
    const nowMs = performance.now();
    const before = this.buckets.waitMs('bytes', nowMs);
    this.buckets.charge('bytes', bytes, nowMs);
    const waitMs = this.buckets.waitMs('bytes', nowMs);
    if (before === 0 && waitMs > 0 && waitMs < Infinity) {
      this.limits.count('connectionBytes', 'delayed', this.connection);
    }
    return waitMs;
  }

  /** How long nothing shall be read; Infinity: it may send nothing at all, and is told so with each message. */
  get readingPauseMs(): number {
    return this.buckets.waitMs('bytes', performance.now());
  }

  /**
   * Counts that something was refused because of a limit.
   *
   * @returns whether the connection has been closed for it
   */
  refused({ code, limited }: ProtocolError): boolean {
    if (limited === undefined) return false;
    if (code === 'RATE_LIMITED' && this.buckets.take(['strikes'], performance.now()) !== undefined) {
      this.sendAway('connectionStrikes');
      return true;
    }
    this.limits.count(limited.limit, 'refused', this.connection);
    return false;
  }

  private sendAway(limit: string): void {
    const { connection } = this;
    this.limits.count(limit, 'closed', connection);
    if (connection.hasEnded) return;
    const { sourceIp = '', identity, tokenDigest } = connection;
    this.limits.punish({ sourceIp, uid: identity.uid, tokenDigest });
    connection.close(CLOSED_BY_LIMIT, 'RATE_LIMITED', 'RATE_LIMITED');
  }
}

function limitOf({ name }: Refusal): string {
  return `connection${name.charAt(0).toUpperCase()}${name.slice(1)}`;
}

function errorOf(refusal: Refusal): ProtocolError {
  const { name, waitMs } = refusal;
  return waitMs === Infinity ? limitReached(limitOf(refusal), 0, name) : rateLimited(limitOf(refusal), waitMs);
}
