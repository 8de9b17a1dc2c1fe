import { BEACON_EVERY_MS, type TailBeacon } from '@hearth/wire';

/**
 * No word of a partition's owner for this long: it is not known whether we hear what it sends. Less than the time between
 * two notes of where the deliver stream ends, so that a note from before stands.
 */
const SILENCE_MS = 2.25 * BEACON_EVERY_MS;

/** The beacon of a partition that came last. */
interface Heard extends Omit<TailBeacon, 'tails'> {
  readonly atMs: number;
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
    this.heard.set(partition, { fencingToken, n, isLast, atMs: nowMs });
    if (before === undefined) return nowMs - this.sinceMs > SILENCE_MS;
    return before.isLast ? n !== 1 : before.fencingToken !== fencingToken || before.n + 1 !== n;
  }

  /** Whether all owners that were heard before are still heard. */
  isHearing(nowMs: number): boolean {
    for (const { atMs, isLast } of this.heard.values()) if (!isLast && nowMs - atMs > SILENCE_MS) return false;
    return true;
  }
}
