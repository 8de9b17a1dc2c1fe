import { setTimeout as sleep } from 'node:timers/promises';
import { Mark } from './job';

/** Tells the bench that a moment has come; resolves when the bench has done what it wanted to do at it. */
export type Announce = (mark: Mark) => Promise<void>;

/** Counters that only grow, read at both ends of the measured window. */
export interface Counters {
  readonly deliveries: number;
  readonly accepted: number;
}

export interface MeasuredWindow extends Counters {
  readonly seconds: number;
  readonly generatorCpu: number;
}

/** Lets `warmUpMs` pass, then measures for `measureMs` how far the counters go; `onStart` is called in between. */
export async function measureWindow(
  timing: { readonly warmUpMs: number; readonly measureMs: number },
  announce: Announce,
  read: () => Counters,
  onStart: () => void = () => undefined,
): Promise<MeasuredWindow> {
  await sleep(timing.warmUpMs);
  onStart();
  const before = read();
  const cpuBefore = process.cpuUsage();
  const startedAt = performance.now();
  // Not awaited: the load runs on while the bench reads the server's counters.
  void announce('start');
  await sleep(timing.measureMs);
  const after = read();
  const cpu = process.cpuUsage(cpuBefore);
  const seconds = (performance.now() - startedAt) / 1000;
  void announce('end');
  return {
    seconds,
    deliveries: after.deliveries - before.deliveries,
    accepted: after.accepted - before.accepted,
    generatorCpu: (cpu.user + cpu.system) / 1e6 / seconds,
  };
}

/** Waits until `done()`, looking every few milliseconds, but no longer than `limitMs`. */
export async function drain(done: () => boolean, limitMs: number): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!done() && performance.now() < deadline) await sleep(5);
}
