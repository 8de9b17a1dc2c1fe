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
    return untilThere(rate, count, levelAt(rate, this.tokens, this.atMs, nowMs));
  }

  /** Takes tokens, whether or not they are there: what is missing is debt. */
  take(rate: Rate, count: number, nowMs: number): void {
    this.tokens = levelAt(rate, this.tokens, this.atMs, nowMs) - count;
    this.atMs = nowMs;
  }

  /** Nothing is known of it that a new one would not say. */
  isFull(rate: Rate, nowMs: number): boolean {
    return levelAt(rate, this.tokens, this.atMs, nowMs) >= rate.burst;
  }
}

/** Tokens in a bucket that had so many at a time. */
export function levelAt({ perSecond, burst }: Rate, tokens: number, atMs: number, nowMs: number): number {
  const level = tokens + ((nowMs - atMs) * perSecond) / 1_000;
  // A hair's breadth, because a client that waits as long as it was told must not be refused for rounding.
  return Math.min(burst, level + ROUNDING);
}

/** Time until `count` may be taken of a bucket with so many tokens, as `TokenBucket.waitMs`. */
export function untilThere({ perSecond, burst }: Rate, count: number, level: number): number {
  const missing = Math.min(count, burst) - level;
  return missing <= 0 ? 0 : Math.max(1, Math.ceil((missing / perSecond) * 1_000));
}

const ROUNDING = 1e-9;
