import { HotsockClient } from './index';

it.each([
  [new URL('ws://x/v1'), {}],
  ['ws://x/v1', { connectTokenFnMaxAttempts: '3' }],
  ['ws://x/v1', { connectTokenErrorFn: null, resumeStore: null, logger: null }],
])('takes what the official client takes: %s, %j', (address, options) => {
  const more = { connectTokenFn: () => '', lazyConnection: true, ...options };
  expect(new HotsockClient(address as never, more as never).webSocketUrl).toBe('ws://x/v1');
});
