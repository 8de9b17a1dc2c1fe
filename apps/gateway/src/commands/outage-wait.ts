import { setTimeout as delay } from 'node:timers/promises';
import { OutageError } from '@hearth/protocol';

/** Who asked. */
export interface Asker {
  readonly hasEnded: boolean;
  /** Ends the connection from our side (websocket-protocol §8). */
  close(code: number, reason: string): void;
}

/** So long an outage may keep a client waiting. */
const WAIT_MS = 15_000;
const RETRY_MS = 250;

/**
 * Tries a request until no outage stands in its way any more. No client library asks again by itself, so one that was
 * refused would look at a dead page; when an outage takes too long, its connection ends, and that it knows how to mend.
 *
 * @param failure what the first attempt failed with
 * @param attempt every further one
 * @throws whatever stood in the way and is no outage
 */
export async function waitThroughOutage(
  asker: Asker,
  failure: unknown,
  attempt: () => Promise<void> | undefined,
): Promise<void> {
  const giveUpAt = performance.now() + WAIT_MS;
  for (let last = failure; ;) {
    if (!(last instanceof OutageError)) throw last;
    if (performance.now() >= giveUpAt) return asker.close(1013, 'Try again later');
    // Whoever was delayed here, and not by the outage, still has this attempt.
    await delay(RETRY_MS);
    if (asker.hasEnded) return;
    try {
      return await attempt();
    } catch (error) {
      last = error;
    }
  }
}
