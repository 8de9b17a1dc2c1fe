import { NatsError } from 'nats';
import { setTimeout as delay } from 'node:timers/promises';
import { StreamUnavailableError } from './connection';

const RETRY_MS = 500;
/** Too few servers are there for the copies that are asked for. */
const NO_PEERS = 10_005;

/**
 * Does what a start needs of JetStream, and while that does not answer, or has no leader, does it again and again.
 *
 * @param onWaiting told why, once for each reason
 * @throws what waiting does not change, such as settings that the server refuses
 * @throws the signal's reason when it is aborted
 */
export async function untilAnswering(
  attempt: () => Promise<unknown>,
  onWaiting: (reason: string) => void,
  interrupted: AbortSignal,
): Promise<void> {
  let told: string | undefined;
  for (;;) {
    try {
      await attempt();
      return;
    } catch (error) {
      const reason = reasonOf(error);
      if (reason === undefined) throw error;
      if (reason !== told) onWaiting(reason);
      told = reason;
    }
    await delay(RETRY_MS, undefined, { signal: interrupted }).catch(() => undefined);
    interrupted.throwIfAborted();
  }
}

/** What is waited for; undefined when waiting is no use. */
function reasonOf(error: unknown): string | undefined {
  if (error instanceof StreamUnavailableError) return error.message;
  if (!(error instanceof NatsError) || error.isAuthError() || error.isPermissionError()) return undefined;
  const { api_error: answer } = error;
  // Nobody answered, or not in time; or a server without a leader did.
  if (answer === undefined) return `JetStream does not answer (${error.message})`;
  return answer.code === 503 || answer.err_code === NO_PEERS ? `JetStream: ${answer.description}` : undefined;
}
