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
 * ends, and that it knows how to mend. What is still under way then has to end by itself, and finds that who asked has gone.
 *
 * @returns `undefined` when it was done in this moment
 * @throws whatever stood in the way and is no outage
 */
export function throughOutage(asker: Asker, attempt: () => Promise<void> | undefined): Promise<void> | undefined {
  let first: Promise<void> | undefined;
  try {
    first = attempt();
  } catch (error) {
    const reason = error as Error;
    first = Promise.reject(reason);
  }
  return first && repeat(asker, first, attempt);
}

async function repeat(asker: Asker, first: Promise<void>, attempt: () => Promise<void> | undefined): Promise<void> {
  const giveUpAt = performance.now() + OUTAGE_WAIT_MS;
  for (let current: Promise<void> | undefined = first; ;) {
    try {
      return await within(Math.max(giveUpAt - performance.now(), ATTEMPT_MS), current);
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
