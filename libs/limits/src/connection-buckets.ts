import type { Rate, RateLimit } from './rate';
import { levelAt, untilThere } from './token-bucket';

/** The kinds of what a connection does that have a rate (limits §2); first those that most connections do. */
export const RATE_NAMES = [
  'bytes',
  'frames',
  'subscribe',
  'publish',
  'presence',
  'history',
  'storage',
  'reaction',
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

const PLACES = Object.fromEntries(RATE_NAMES.map((name, n) => [name, 2 * n])) as Readonly<Record<RateName, number>>;

/**
 * What one connection has done of late: a bucket of each kind (`TokenBucket`). There are as many of them as connections do
 * kinds of things, so all are numbers in one array, which is no longer than it must be.
 */
export class ConnectionBuckets {
  /** Tokens of each, and when that was; a bucket that has no place is full. */
  private levels: number[] | undefined;

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
    return untilThere(limit, 1, this.level(name, limit, nowMs));
  }

  /** Takes `count` in any case. */
  charge(name: RateName, count: number, nowMs: number): void {
    const limit = this.limits.rates[name];
    if (typeof limit === 'string') return;
    const place = PLACES[name];
    // As most connections need it; `push` makes room for sixteen more.
    const levels = (this.levels ??= [Infinity, nowMs, Infinity, nowMs, Infinity, nowMs]);
    while (levels.length <= place) levels.push(Infinity, nowMs);
    levels[place] = this.level(name, limit, nowMs) - count;
    levels[place + 1] = nowMs;
  }

  private level(name: RateName, limit: Rate, nowMs: number): number {
    const { levels } = this;
    const place = PLACES[name];
    if (levels === undefined || levels.length <= place) return limit.burst;
    return levelAt(limit, levels[place] ?? Infinity, levels[place + 1] ?? nowMs, nowMs);
  }
}
