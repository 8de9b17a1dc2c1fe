import type { RateLimit } from './rate';
import { TokenBucket } from './token-bucket';

/** The kinds of what a connection does that have a rate (limits §2). */
export const RATE_NAMES = [
  'publish',
  'subscribe',
  'presence',
  'storage',
  'reaction',
  'history',
  'frames',
  'bytes',
  'strikes',
] as const;
export type RateName = (typeof RATE_NAMES)[number];

/** What one connection may do; many share it. */
export interface ConnectionLimits {
  readonly rates: Readonly<Record<RateName, RateLimit>>;
  /** Most subscriptions; Infinity = no limit. */
  readonly subscriptions: number;
  /** Most connections of its uid; Infinity = no limit. */
  readonly uidConnections: number;
}

/** Why something may not be done now. */
export interface Refusal {
  readonly name: RateName;
  /** After it one more passes; Infinity: never. */
  readonly waitMs: number;
}

/** What one connection has done of late. Nothing is made before it is needed: most connections do very little. */
export class ConnectionBuckets {
  private readonly buckets = new Map<RateName, TokenBucket>();

  constructor(private readonly limits: ConnectionLimits) {}

  /**
   * Takes one of each, or nothing at all.
   *
   * @param nowMs of a monotonic clock
   * @returns the one that must be waited for longest
   */
  take(names: readonly RateName[], nowMs: number): Refusal | undefined {
    let refusal: Refusal | undefined;
    for (const name of names) {
      const waitMs = this.waitMs(name, nowMs);
      if (waitMs > (refusal?.waitMs ?? 0)) refusal = { name, waitMs };
    }
    if (refusal === undefined) for (const name of names) this.charge(name, 1, nowMs);
    return refusal;
  }

  /** Time until one may be taken; 0 = now. */
  waitMs(name: RateName, nowMs: number): number {
    const limit = this.limits.rates[name];
    if (limit === 'unlimited') return 0;
    if (limit === 'none') return Infinity;
    return this.buckets.get(name)?.waitMs(limit, 1, nowMs) ?? 0;
  }

  /** Takes `count` in any case. */
  charge(name: RateName, count: number, nowMs: number): void {
    const limit = this.limits.rates[name];
    if (typeof limit === 'string') return;
    let bucket = this.buckets.get(name);
    if (bucket === undefined) this.buckets.set(name, (bucket = new TokenBucket(limit, nowMs)));
    bucket.take(limit, count, nowMs);
  }
}
