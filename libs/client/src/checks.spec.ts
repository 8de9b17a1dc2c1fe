import { HotsockClient, InvalidArgumentError } from './index';

it.each([
  [new URL('ws://x/v1'), {}],
  ['ws://x/v1', { connectTokenFnMaxAttempts: '3' }],
  ['ws://x/v1', { connectTokenErrorFn: null, resumeStore: null, logger: null }],
])('takes what the official client takes: %s, %j', (address, options) => {
  const more = { connectTokenFn: () => '', lazyConnection: true, ...options };
  expect(new HotsockClient(address as never, more as never).webSocketUrl).toBe('ws://x/v1');
});

it('shows what is bound in an object like any other, as the official client does', () => {
  const client = new HotsockClient('ws://x/v1', { connectTokenFn: () => '', lazyConnection: true });
  expect(client.channelEventBindings).toStrictEqual({});
  client.suspend();
  const binding = client.bind('e', () => undefined, { channel: '__proto__' });
  expect(Object.entries(client.channelEventBindings)).toEqual([['__proto__', [binding]]]);
});

const NAMES = [
  'recover',
  'fetch',
  'WebSocket',
  'httpUrl',
  'backoff',
  'livenessSeconds',
  'shareTabs',
  'onGap',
  'onError',
];
it.each(NAMES)('takes null for an option that is not given: %s', (name) => {
  const options = { connectTokenFn: () => '', lazyConnection: true, [name]: null };
  expect(new HotsockClient('ws://x/v1', options).options).not.toHaveProperty(name, null);
});

it.each(['30', null, NaN, Infinity, 4.999, 601])(
  'refuses %p s between heartbeats, as the official client does',
  (given) => {
    const options = { connectTokenFn: () => '', lazyConnection: true, heartbeatIntervalSeconds: given as number };
    const text = 'heartbeatIntervalSeconds must be a finite number between 5 and 600';
    expect(() => new HotsockClient('ws://x/v1', options)).toThrow(new InvalidArgumentError(text));
  },
);

it('names what cannot be listened to', () => {
  const client = new HotsockClient('ws://x/v1', { connectTokenFn: () => '', lazyConnection: true });
  for (const event of ['nope', 'constructor', '__proto__', undefined]) {
    expect(() => client.on(event as never, () => undefined)).toThrow(`no event ${event}`);
    expect(() => client.channel('c').presence.on(event as never, () => undefined)).toThrow(`no event ${event}`);
  }
});
