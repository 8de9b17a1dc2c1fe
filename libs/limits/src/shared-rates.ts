import type { Rate, RateLimit } from './rate';
import { TokenBucket } from './token-bucket';

/** What one process tells the others each second of what it was asked for. */
export interface DemandReport {
  /** Names the run of a process. */
  readonly from: string;
  /** How much was asked for by each key since the last report, refused or not; keys without any are left out. */
  readonly demands: Readonly<Record<string, number>>;
  readonly leaves?: true;
}

/** A process of which nothing was heard for so long has no share. */
const FORGOTTEN_MS = 3_500;
/** Of a rate, shared alike whatever the demand, so that a process on which a key begins has something to begin with. */
const ALIKE = 0.02;
/** Keys of one process are few; names of those that were taken away are forgotten with all others. */
const MOST_KEYS = 10_000;

interface Other {
  heardAtMs: number;
  demands: Readonly<Record<string, number>>;
}

/**
 * A rate for each key that several processes keep together (limits §2): each has a part of it, by its part of what all
 * were asked for in the last second.
 */
export class SharedRates {
  private readonly buckets = new Map<string, TokenBucket>();
  private readonly others = new Map<string, Other>();
  /** Since the last report, and between the two before. */
  private demands = new Map<string, number>();
  private last = new Map<string, number>();

  /** @param from names this run */
  constructor(
    private readonly from: string,
    private readonly limit: RateLimit,
  ) {}

  /**
   * Takes `count`; more than the burst passes when the bucket is full.
   *
   * @param isCutOff nobody hears of this process: it keeps to an equal share
   * @returns 0, or how long to wait; nothing has been taken then
   */
  take(key: string, count: number, nowMs: number, isCutOff: boolean): number {
    const { limit } = this;
    if (typeof limit === 'string') return 0;
    this.demands.set(key, (this.demands.get(key) ?? 0) + count);
    const share = this.share(limit, key, isCutOff);
    const bucket = this.bucket(key, share, nowMs);
    const waitMs = bucket.waitMs(share, count, nowMs);
    if (waitMs === 0) bucket.take(share, count, nowMs);
    return waitMs;
  }

  /** How long nothing may be taken; 0: one may be taken now. */
  waitMs(key: string, nowMs: number, isCutOff: boolean): number {
    const { limit } = this;
    if (typeof limit === 'string') return 0;
    const share = this.share(limit, key, isCutOff);
    return this.bucket(key, share, nowMs).waitMs(share, 1, nowMs);
  }

  /** What the others are to be told now; call it once a second. */
  takeReport(): DemandReport {
    this.last = this.demands;
    this.demands = new Map();
    return { from: this.from, demands: Object.fromEntries(this.last) };
  }

  learn(report: DemandReport, nowMs: number): void {
    if (report.from === this.from) return;
    if (report.leaves === true) this.others.delete(report.from);
    else this.others.set(report.from, { heardAtMs: nowMs, demands: report.demands });
  }

  /** Forgets processes that have died; not while nobody can be heard. */
  sweep(nowMs: number): void {
    for (const [from, { heardAtMs }] of this.others) if (nowMs - heardAtMs > FORGOTTEN_MS) this.others.delete(from);
  }

  private bucket(key: string, share: Rate, nowMs: number): TokenBucket {
    let bucket = this.buckets.get(key);
    if (bucket !== undefined) return bucket;
    if (this.buckets.size >= MOST_KEYS) this.buckets.clear();
    this.buckets.set(key, (bucket = new TokenBucket(share, nowMs)));
    return bucket;
  }

  private share({ perSecond, burst }: Rate, key: string, isCutOff: boolean): Rate {
    const part = this.part(key, isCutOff);
    return part === 1 ? { perSecond, burst } : { perSecond: perSecond * part, burst: Math.max(1, burst * part) };
  }

  private part(key: string, isCutOff: boolean): number {
    const processes = this.others.size + 1;
    if (processes === 1) return 1;
    const own = this.last.get(key) ?? 0;
    let all = own;
    for (const { demands } of this.others.values()) all += demands[key] ?? 0;
    if (isCutOff || all === 0) return 1 / processes;
    return ALIKE / processes + ((1 - ALIKE) * own) / all;
  }
}
