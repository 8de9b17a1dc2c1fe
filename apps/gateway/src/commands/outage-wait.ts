import { setTimeout as delay } from 'node:timers/promises';
import { OutageError } from '@hearth/protocol';
import { within } from '@hearth/timing';

/** Who asked. */
export interface Asker {
  readonly hasEnded: boolean;
  /** Ends the connection from our side (websocket-protocol §8). */
  close(code: number, reason: string): void;
}

/** So long an outage may keep a client waiting. */
export const OUTAGE_WAIT_MS = 15_000;
const RETRY_MS = 250;
/** Whoever was delayed between two attempts, and not by the outage, still has the next one. */
const ATTEMPT_MS = 1_000;

/**
 * Does what was asked for, again until no outage stands in its way any more. No client library asks again by itself, so one that
 * was refused would look at a dead page; when it takes too long, because attempts fail or because one does not end, its connection
 * ends, and that it knows how to mend. An attempt that waits its turn behind others, and they have theirs, is no outage: a client that
 * was sent away would come back to the end of the same queue. What is still under way then has to end by itself, and finds that who asked has gone.
 *
 * @param isMoving whether others have the turns that the attempt may wait for
 * @returns `undefined` when it was done in this moment
 * @throws whatever stood in the way and is no outage
 */
export function throughOutage(
  asker: Asker,
  attempt: () => Promise<void> | undefined,
  isMoving: () => boolean = () => false,
): Promise<void> | undefined {
  let first: Promise<void> | undefined;
  try {
    first = attempt();
  } catch (error) {
    const reason = error as Error;
    first = Promise.reject(reason);
  }
  return first && repeat(asker, first, attempt, isMoving);
}

async function repeat(
  asker: Asker,
  first: Promise<void>,
  attempt: () => Promise<void> | undefined,
  isMoving: () => boolean,
): Promise<void> {
  const giveUpAt = performance.now() + OUTAGE_WAIT_MS;
  for (let current = first; ;) {
    try {
      return await whileMoving(giveUpAt, current, isMoving);
    } catch (error) {
      if (!(error instanceof OutageError)) throw error;
    }
    if (asker.hasEnded) return;
    if (performance.now() >= giveUpAt) return asker.close(1013, 'Try again later');
    await delay(RETRY_MS);
    if (asker.hasEnded) return;
    current = (async () => attempt())();
  }
}

/** Ends when the promise does, or it is time to give up and nothing moves any more. */
async function whileMoving<T>(giveUpAt: number, promise: Promise<T>, isMoving: () => boolean): Promise<T> {
  let isSettled = false;
  const settled = promise.finally(() => (isSettled = true));
  for (;;) {
    try {
      return await within(Math.max(giveUpAt - performance.now(), ATTEMPT_MS), settled);
    } catch (error) {
      if (isSettled || !isMoving()) throw error;
    }
  }
}
