import { InvalidArgumentError } from './errors';
import { check, type Listeners } from './listeners';
import type { ClientOptions } from './types';

/**
 * Looks at what an application gives a client, before anything begins. What the official client takes besides what its types
 * say is taken here, too: a `URL`, attempts that are a number in a string, and `null` for what is not given.
 *
 * @returns the address as a text, and the options that are given
 * @throws InvalidArgumentError, TypeError
 */
export function checkOptions(
  address: unknown,
  given: ClientOptions = {} as ClientOptions,
): readonly [string, ClientOptions] {
  const webSocketUrl = (address instanceof URL ? address.href : address) as string;
  const options = Object.fromEntries(
    Object.entries(given).filter(([, value]) => value !== null),
  ) as unknown as ClientOptions;
  const { connectTokenFn = null, connectTokenErrorFn, connectTokenFnMaxAttempts = 0, backoff } = options;
  const { heartbeatIntervalSeconds: seconds } = given;
  const store = options.resumeStore as { get?: unknown; set?: unknown } | undefined;
  const pick = (...names: (keyof ClientOptions)[]): object =>
    Object.fromEntries(names.map((name) => [name, options[name]]));
  if (!webSocketUrl) throw new InvalidArgumentError('webSocketUrl must be provided');
  check('string', { webSocketUrl, ...pick('httpUrl') });
  check('function', {
    ...{ connectTokenFn, connectTokenErrorFn: connectTokenErrorFn || undefined },
    ...pick('onGap', 'onError', 'WebSocket', 'fetch'),
    ...(store && { 'resumeStore.get': store.get ?? null, 'resumeStore.set': store.set ?? null }),
  });
  check('boolean', pick('recover', 'shareTabs'));
  check('number', {
    ...pick('livenessSeconds'),
    connectTokenFnMaxAttempts: Number(connectTokenFnMaxAttempts),
    ...backoff,
  });
  if (seconds !== undefined && Math.max(5, Math.min(600, seconds)) !== seconds) {
    throw new InvalidArgumentError('heartbeatIntervalSeconds must be a finite number between 5 and 600');
  }
  return [webSocketUrl, options];
}

/** Who listens to one event. @throws InvalidArgumentError when there is none of this name */
export function listenersOf<M extends object, E extends keyof M & string>(all: M, event: E): M[E] {
  const listeners = all[event] as Partial<Listeners<never>> | undefined;
  if (!listeners?.add) throw new InvalidArgumentError(`no event ${event}`);
  return all[event];
}
