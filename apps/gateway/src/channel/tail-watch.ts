import { BEACON_EVERY_MS, type TailBeacon } from '@hearth/wire';

/**
 * No word of a partition's owner for this long: it is not known whether we hear what it sends. Less than the time between
 * two notes of where the deliver stream ends, so that a note from before stands.
 */
const SILENCE_MS = 2.25 * BEACON_EVERY_MS;

/** The beacon of a partition that came last. */
interface Heard extends Pick<TailBeacon, 'fencingToken' | 'n' | 'isLast'> {
  readonly atMs: number;
  /** From this one on every beacon of this owner has come. */
  readonly from: number;
}

/**
 * Follows the beacons of all partitions. Where one is missing, messages may be missing too: by whatever a beacon got lost,
 * a message was not spared.
 */
export class TailWatch {
  private readonly heard = new Map<number, Heard>();

  constructor(private sinceMs: number) {}

  /** Begins anew: everything up to now is looked up in another way. */
  reset(nowMs: number): void {
    this.heard.clear();
    this.sinceMs = nowMs;
  }

  /** @returns whether messages may have been lost before this beacon */
  hear(partition: number, beacon: Omit<TailBeacon, 'tails'>, nowMs: number): boolean {
    const before = this.heard.get(partition);
    const { fencingToken, n, isLast } = beacon;
    const isNext = before?.fencingToken === fencingToken && before.n + 1 === n;
    this.heard.set(partition, { fencingToken, n, isLast, atMs: nowMs, from: isNext ? before.from : n });
    if (before === undefined) return nowMs - this.sinceMs > SILENCE_MS;
    return before.isLast ? n !== 1 : !isNext;
  }

  /** Whether every beacon of its present owner has come from this one on. */
  hasHeardFrom(partition: number, n: number): boolean {
    return (this.heard.get(partition)?.from ?? Infinity) <= n;
  }

  /** The owners that are heard, by their fencing tokens. */
  *owners(): Iterable<readonly [partition: number, fencingToken: number]> {
    for (const [partition, { fencingToken }] of this.heard) yield [partition, fencingToken];
  }

  /** Whether all owners that were heard before are still heard. */
  isHearing(nowMs: number): boolean {
    for (const { atMs, isLast } of this.heard.values()) if (!isLast && nowMs - atMs > SILENCE_MS) return false;
    return true;
  }
}
