import { connect, type ConnectionOptions, type NatsConnection } from 'nats';
import { setTimeout as delay } from 'node:timers/promises';

/** A server that starts at the same time as we do is there by then. */
const FIRST_WARNING_MS = 2_000;
/** Often enough for whoever looks at the log, seldom enough for a log that nobody looks at. */
const NEXT_WARNING_MS = 10_000;
/** What one attempt to find out what is wrong may take. */
const ATTEMPT_MS = 2_000;
/** Between two attempts; half of it is random, so that the processes of an installation do not all come at once. */
const RETRY_MS = 500;

/**
 * Connects, waiting for as long as no server can be reached, and warns meanwhile why not.
 *
 * @param servers as they are shown: without credentials
 * @param interrupted ends the wait; rejects with its reason then
 * @throws Error that names `HEARTH_NATS_URL` when a server does not take the credentials
 */
export async function firstConnection(
  settings: ConnectionOptions,
  servers: readonly string[],
  warn: (message: string) => void,
  interrupted: AbortSignal,
): Promise<NatsConnection> {
  interrupted.throwIfAborted();
  let isFirst = true;
  const connecting = connect({
    ...settings,
    maxReconnectAttempts: -1,
    waitOnFirstConnect: true,
    reconnectDelayHandler: () => {
      // The one place where the client library can be told to give up.
      if (isFirst) interrupted.throwIfAborted();
      return (RETRY_MS * (1 + Math.random())) / 2;
    },
  });
  const nats = `NATS at ${servers.join(', ')} (HEARTH_NATS_URL)`;
  const end = new AbortController();
  void warnUntil(end.signal, settings, (reason) => warn(`No connection to ${nats} yet: ${reason}. Trying again`));
  try {
    const connection = await Promise.race([connecting, rejectionOf(interrupted, end.signal)]);
    isFirst = false;
    return connection;
  } catch (error) {
    // An attempt that is under way may still succeed.
    void connecting.then(
      (late) => late.close(),
      () => undefined,
    );
    if (interrupted.aborted) throw error;
    throw new Error(`No connection to ${nats}: ${(error as Error).message}`, { cause: error });
  } finally {
    end.abort();
  }
}

/** Never resolves; rejects with the reason when `signal` is aborted before `end`. */
function rejectionOf(signal: AbortSignal, end: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { signal: end });
  });
}

async function warnUntil(end: AbortSignal, settings: ConnectionOptions, warn: (reason: string) => void): Promise<void> {
  for (let pause = FIRST_WARNING_MS; await isAfter(pause, end); pause = NEXT_WARNING_MS) {
    const reason = await failureOf(settings);
    if (reason !== undefined && !end.aborted) warn(reason);
  }
}

/** Waits. @returns false, at once, when `end` comes before */
function isAfter(ms: number, end: AbortSignal): Promise<boolean> {
  return delay(ms, true, { signal: end }).catch(() => false);
}

/** Why an attempt fails, undefined when it does not. The client library keeps that to itself while it goes on trying. */
async function failureOf(settings: ConnectionOptions): Promise<string | undefined> {
  try {
    const connection = await connect({ ...settings, reconnect: false, timeout: ATTEMPT_MS });
    await connection.close();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
