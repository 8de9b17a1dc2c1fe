import { setTimeout as delay } from 'node:timers/promises';

/**
 * Far longer than anything takes on a slow machine that is busy besides: a wait ends when the thing happens, and what needs
 * a quiet machine is a benchmark.
 */
export const LONGEST_WAIT_MS = 60_000;

/**
 * Repeats an attempt until it does not throw, and gives what it gave: the way to wait for something to become true.
 *
 * @param withinMs after this long the last attempt's error is thrown as it is; given only where that is a promise to users,
 *   or where the thing itself takes long
 */
export async function eventually<T>(attempt: () => T | Promise<T>, withinMs = LONGEST_WAIT_MS): Promise<T> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
    await delay(20);
  }
}
