import { DatabaseError } from 'pg';
import { setTimeout as delay } from 'node:timers/promises';
import { isOutage } from './outage';
import { DatabaseRefusal } from './refusal';

const RETRY_MS = 500;
/** SQLSTATEs of a role, a password or a database that the server does not know. */
const UNKNOWN = /^(28|3D000)/;

/**
 * Does what a start needs of Postgres, and while that is away does it again and again.
 *
 * @param onWaiting told why, once for each reason
 * @throws DatabaseRefusal when waiting is no use: an unknown role, password or database, an unfit schema or encoding
 * @throws the signal's reason when it is aborted
 */
export async function untilReachable<T>(
  attempt: () => Promise<T>,
  onWaiting: (reason: string) => void,
  interrupted: AbortSignal,
): Promise<T> {
  let told: string | undefined;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      const cause = firstCause(error);
      if (cause instanceof DatabaseError && UNKNOWN.test(cause.code ?? '')) {
        throw new DatabaseRefusal(`HEARTH_DATABASE_URL: ${cause.message}`, { cause });
      }
      if (!isOutage(cause)) throw error;
      if (cause.message !== told) onWaiting(cause.message);
      told = cause.message;
    }
    await delay(RETRY_MS, undefined, { signal: interrupted }).catch(() => undefined);
    interrupted.throwIfAborted();
  }
}

/** A host with several addresses that all refuse fails with an error of errors, which has no message itself. */
function firstCause(error: unknown): unknown {
  if (error instanceof AggregateError && error.message === '') return firstCause(error.errors[0]);
  return error instanceof Error && error.cause instanceof Error ? firstCause(error.cause) : error;
}
