import { InvalidArgumentError } from './errors';
import { check } from './listeners';
import type { ClientOptions } from './types';

/**
 * Looks at what an application gives a client, before anything begins. What the official client takes besides what its types
 * say is taken here, too: a `URL`, and attempts that are a number in a string.
 *
 * @returns the address as a text
 * @throws InvalidArgumentError, TypeError
 */
export function checkOptions(address: unknown, options: ClientOptions): string {
  const webSocketUrl = address instanceof URL ? address.href : address;
  const { connectTokenFn = null, connectTokenErrorFn, connectTokenFnMaxAttempts, livenessSeconds } = options;
  const { heartbeatIntervalSeconds: seconds, backoff } = options;
  const { onGap, onError, WebSocket, fetch, recover, shareTabs, httpUrl } = options;
  const store = options.resumeStore as { get?: unknown; set?: unknown } | undefined;
  if (!webSocketUrl) throw new InvalidArgumentError('webSocketUrl must be provided');
  check('string', { webSocketUrl, httpUrl });
  check('function', {
    ...{ connectTokenFn, connectTokenErrorFn: connectTokenErrorFn || undefined, onGap, onError, WebSocket, fetch },
    ...(store && { 'resumeStore.get': store.get ?? null, 'resumeStore.set': store.set ?? null }),
  });
  check('boolean', { recover, shareTabs });
  check('number', {
    connectTokenFnMaxAttempts: Number(connectTokenFnMaxAttempts ?? 0),
    livenessSeconds,
    ...backoff,
  });
  if (seconds !== undefined && !(typeof seconds === 'number' && seconds >= 5 && seconds <= 600)) {
    throw new InvalidArgumentError('heartbeatIntervalSeconds must be a finite number between 5 and 600');
  }
  return webSocketUrl as string;
}
