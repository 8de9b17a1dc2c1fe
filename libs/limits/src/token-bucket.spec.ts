import { KeyedBuckets } from './keyed-buckets';
import { ConnectionBuckets, RATE_NAMES, type ConnectionLimits } from './connection-buckets';
import type { RateLimit } from './rate';
import { TokenBucket } from './token-bucket';

/** How many pass of those that come one by one, `everyMs`, for `forMs`. */
function passing(rate: { perSecond: number; burst: number }, everyMs: number, forMs: number): number {
  const bucket = new TokenBucket(rate, 0);
  let passed = 0;
  for (let nowMs = 0; nowMs < forMs; nowMs += everyMs) {
    if (bucket.waitMs(rate, 1, nowMs) > 0) continue;
    bucket.take(rate, 1, nowMs);
    passed++;
  }
  return passed;
}

describe('TokenBucket', () => {
  it.each([
    [1, 1],
    [20, 20],
    [20, 1],
    [0.5, 5],
    [100, 1_000],
    [1_000, 3],
  ])('lets rate·T + burst pass at twice the rate: %d/s, burst %d', (perSecond, burst) => {
    // The fastest is asked 20,000 times in ten seconds: enough for any error of rounding to add up.
    for (const seconds of perSecond > 100 ? [10, 20] : [10, 60, 600]) {
      const passed = passing({ perSecond, burst }, 500 / perSecond, seconds * 1_000);
      const expected = perSecond * seconds + burst;
      expect(passed).toBeLessThanOrEqual(expected);
      // A large burst is never used up at twice the rate in a short time: then everything passes.
      expect(passed).toBeGreaterThanOrEqual(Math.min(expected, 2 * perSecond * seconds) * 0.9 - 1);
    }
  });

  it('lets one pass after the time that it tells, and not before', () => {
    for (const perSecond of [0.3, 1, 7, 99.9, 3_000]) {
      const rate = { perSecond, burst: 2 };
      const bucket = new TokenBucket(rate, 5);
      bucket.take(rate, 2, 5);
      const waitMs = bucket.waitMs(rate, 1, 5);
      expect(waitMs).toBeGreaterThanOrEqual(1);
      expect(bucket.waitMs(rate, 1, 5 + waitMs)).toBe(0);
      if (waitMs > 1) expect(bucket.waitMs(rate, 1, 5 + waitMs - 1.5)).toBeGreaterThan(0);
    }
  });

  it('owes what a batch took too much', () => {
    const rate = { perSecond: 10, burst: 50 };
    const bucket = new TokenBucket(rate, 0);
    expect(bucket.waitMs(rate, 100, 0)).toBe(0);
    bucket.take(rate, 100, 0);
    expect(bucket.waitMs(rate, 1, 0)).toBe(5_100);
    expect(bucket.waitMs(rate, 100, 0)).toBe(10_000);
  });

  it('saves up no more than its burst', () => {
    const rate = { perSecond: 10, burst: 3 };
    const bucket = new TokenBucket(rate, 0);
    bucket.take(rate, 3, 1e9);
    expect(bucket.waitMs(rate, 1, 1e9)).toBe(100);
  });
});

describe('KeyedBuckets', () => {
  it('counts each key by itself', () => {
    const buckets = new KeyedBuckets({ perSecond: 1, burst: 1 });
    expect([buckets.take('a', 1, 0), buckets.take('a', 1, 0), buckets.take('b', 1, 0)]).toEqual([0, 1_000, 0]);
  });

  it('forgets full ones first, then those that were used least of late', () => {
    const buckets = new KeyedBuckets({ perSecond: 1, burst: 2 }, 2);
    buckets.charge('owes', 10, 0);
    buckets.charge('full', 1, 0);
    buckets.charge('new', 2, 2_000);
    expect(buckets.size).toBe(2);
    expect(buckets.waitMs('owes', 1, 2_000)).toBeGreaterThan(0);
    expect(buckets.waitMs('new', 1, 2_000)).toBeGreaterThan(0);
    buckets.charge('newer', 2, 2_000);
    expect(buckets.waitMs('owes', 1, 2_000)).toBe(0);
  });

  it('keeps nothing without a limit', () => {
    const buckets = new KeyedBuckets('unlimited');
    expect(buckets.take('a', 1e9, 0)).toBe(0);
    expect(buckets.size).toBe(0);
  });
});

describe('ConnectionBuckets', () => {
  const limits = (rates: Partial<Record<(typeof RATE_NAMES)[number], RateLimit>>): ConnectionLimits => ({
    rates: {
      ...(Object.fromEntries(RATE_NAMES.map((name) => [name, 'unlimited'])) as ConnectionLimits['rates']),
      ...rates,
    },
    subscriptions: Infinity,
    uidConnections: Infinity,
  });

  it('takes nothing for what is refused', () => {
    const buckets = new ConnectionBuckets(
      limits({ frames: { perSecond: 1, burst: 3 }, publish: { perSecond: 1, burst: 1 } }),
    );
    expect(buckets.take(['frames', 'publish'], 0)).toBeUndefined();
    expect(buckets.take(['frames', 'publish'], 0)).toEqual({ name: 'publish', waitMs: 1_000 });
    expect(buckets.take(['frames'], 0)).toBeUndefined();
    expect(buckets.take(['frames'], 0)).toBeUndefined();
    expect(buckets.take(['frames'], 0)).toEqual({ name: 'frames', waitMs: 1_000 });
  });

  it('names the limit that lasts longest', () => {
    const buckets = new ConnectionBuckets(limits({ frames: { perSecond: 1, burst: 1 }, history: 'none' }));
    buckets.take(['frames'], 0);
    expect(buckets.take(['frames', 'history'], 0)).toEqual({ name: 'history', waitMs: Infinity });
  });
});
