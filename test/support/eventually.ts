import { setTimeout as delay } from 'node:timers/promises';

/**
 * Repeats an attempt until it does not throw, and gives what it gave: the way to wait for something to become true.
 *
 * @param withinMs after this long the last attempt's error is thrown as it is
 */
export async function eventually<T>(attempt: () => T | Promise<T>, withinMs = 10_000): Promise<T> {
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
