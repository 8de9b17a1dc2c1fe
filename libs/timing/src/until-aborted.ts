import { setTimeout as delay } from 'node:timers/promises';

/**
 * Waits for something, but no longer than until a signal is aborted. It goes on unwatched then, and what it fails with
 * later is of no interest to anybody.
 *
 * @param leastMs so long it is waited for even when the signal is or will be aborted
 */
export async function untilAborted(signal: AbortSignal, work: Promise<unknown>, leastMs = 0): Promise<void> {
  let stopListening = (): void => undefined;
  const aborted = new Promise<void>((resolve) => {
    const listener = (): void => resolve();
    if (signal.aborted) resolve();
    signal.addEventListener('abort', listener);
    stopListening = () => signal.removeEventListener('abort', listener);
  });
  try {
    const grace = leastMs > 0 ? delay(leastMs, undefined, { ref: false }) : undefined;
    await Promise.race([work, Promise.all([aborted, grace])]);
  } finally {
    stopListening();
  }
}
