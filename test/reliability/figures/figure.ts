import type { Cluster } from '../cluster';
import { judge, type Evidence } from '../oracle';

/** As much as the promise names, or as much as every change can wait for. */
export type Size = 'full' | 'small';

/** One number of a promise, which holds up to `atMost`. */
export interface Reading {
  /** What was counted or measured, in words. */
  readonly what: string;
  readonly measured: number;
  readonly atMost: number;
  /** Absent for what is counted. What has a unit depends on the machine too, and is judged in full runs only. */
  readonly unit?: 's' | 'ms' | '%' | 'MiB';
}

/** Where a figure is measured. */
export interface Stage {
  readonly size: Size;
  /** Starts it at the first call. */
  readonly startCluster: () => Promise<Cluster>;
}

/** A promise of docs/reliability.md that is a number, and how that is measured. */
export interface Figure {
  /** Its number in the table. */
  readonly promise: string;
  readonly title: string;
  /** What tries it in CI, where that is not a small run of this. */
  readonly smallIn?: string;
  /** @throws Error when it could not be measured, or what should have happened did not */
  measure(stage: Stage): Promise<readonly Reading[]>;
}

export const holds = ({ measured, atMost }: Reading): boolean => measured <= atMost;

/** The oracle's counts as one number, with its examples on stderr where there is something to explain. */
export function offences(evidence: Evidence): number {
  const { examples, ...counts } = judge(evidence);
  for (const example of examples) process.stderr.write(`${example}\n`);
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

/** Seconds since `performance.now()` was `startMs`, to a hundredth. */
export const secondsSince = (startMs: number): number => Math.round((performance.now() - startMs) / 10) / 100;
