import type { Rate } from './rate';

/**
 * Counts how often something happens (limits §1). It starts full and refills continuously; the clock is handed in, in
 * milliseconds, and must never go back. Its limit is handed in too, so that a hundred thousand buckets cost little.
 */
export class TokenBucket {
  private tokens: number;
  private atMs: number;

  constructor({ burst }: Rate, nowMs: number) {
    this.tokens = burst;
    this.atMs = nowMs;
  }

  /**
   * Time until `count` may be taken, in whole milliseconds; 0 = now. More than the bucket holds may be taken when it is
   * full.
   */
  waitMs(rate: Rate, count: number, nowMs: number): number {
    const missing = Math.min(count, rate.burst) - this.levelAt(rate, nowMs);
    return missing <= 0 ? 0 : Math.max(1, Math.ceil((missing / rate.perSecond) * 1_000));
  }

  /** Takes tokens, whether or not they are there: what is missing is debt. */
  take(rate: Rate, count: number, nowMs: number): void {
    this.tokens = this.levelAt(rate, nowMs) - count;
    this.atMs = nowMs;
  }

  /** Nothing is known of it that a new one would not say. */
  isFull(rate: Rate, nowMs: number): boolean {
    return this.levelAt(rate, nowMs) >= rate.burst;
  }

  private levelAt({ perSecond, burst }: Rate, nowMs: number): number {
    const level = this.tokens + ((nowMs - this.atMs) * perSecond) / 1_000;
    // A hair's breadth, because a client that waits as long as it was told must not be refused for rounding.
    return Math.min(burst, level + ROUNDING);
  }
}

const ROUNDING = 1e-9;
