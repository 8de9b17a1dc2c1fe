import type { Rate, RateLimit } from './rate';
import { TokenBucket } from './token-bucket';

/** So many keys are remembered; with more, those are forgotten that have not been used for the longest time. */
const MOST_KEYS = 100_000;
/** So many of them are looked at for a full one, of which nothing is lost. */
const LOOKED_AT = 16;

/** One bucket for each of many keys, such as addresses (limits §2). */
export class KeyedBuckets {
  private readonly buckets = new Map<string, TokenBucket>();

  constructor(
    private readonly limit: RateLimit,
    private readonly mostKeys = MOST_KEYS,
  ) {}

  get size(): number {
    return this.buckets.size;
  }

  /**
   * Takes `count` if there are that many (`TokenBucket.waitMs`).
   *
   * @param nowMs of a monotonic clock
   * @returns 0, or how long to wait; nothing has been taken then
   */
  take(key: string, count: number, nowMs: number): number {
    const waitMs = this.waitMs(key, count, nowMs);
    if (waitMs === 0) this.charge(key, count, nowMs);
    return waitMs;
  }

  /** Time until `count` may be taken; 0 = now. */
  waitMs(key: string, count: number, nowMs: number): number {
    const { limit } = this;
    if (limit === 'unlimited') return 0;
    if (limit === 'none') return Infinity;
    return this.buckets.get(key)?.waitMs(limit, count, nowMs) ?? 0;
  }

  /** Takes `count` in any case. */
  charge(key: string, count: number, nowMs: number): void {
    const { limit, buckets } = this;
    if (limit === 'unlimited' || limit === 'none') return;
    const bucket = buckets.get(key) ?? new TokenBucket(limit, nowMs);
    bucket.take(limit, count, nowMs);
    // To the end: the first ones are those that have not been used for the longest time.
    buckets.delete(key);
    buckets.set(key, bucket);
    if (buckets.size > this.mostKeys) this.forgetOne(limit, nowMs);
  }

  private forgetOne(limit: Rate, nowMs: number): void {
    let [oldest, looked]: [string | undefined, number] = [undefined, 0];
    for (const [key, bucket] of this.buckets) {
      oldest ??= key;
      if (bucket.isFull(limit, nowMs)) return void this.buckets.delete(key);
      if (++looked === LOOKED_AT) break;
    }
    if (oldest !== undefined) this.buckets.delete(oldest);
  }
}
