import { HearthClient } from './index';

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

const begin = (connectTokenFn: () => Promise<string>, more: object = {}) =>
  new HearthClient('ws://x', { connectTokenFn, WebSocket: class {} as never, logLevel: 'silent', ...more });

it('a token that never comes keeps nothing waiting when the client is terminated', async () => {
  const client = begin(() => new Promise(() => undefined));
  const { activeConnection } = client;
  expect(jest.getTimerCount()).toBe(1);
  client.terminate();
  await activeConnection.initializationComplete();
  expect(jest.getTimerCount()).toBe(0);
});

it('a token is not asked for again when the client is suspended meanwhile', async () => {
  const connectTokenFn = jest.fn(() => Promise.reject(new Error('no')));
  const client = begin(connectTokenFn);
  await jest.advanceTimersByTimeAsync(10);
  client.suspend();
  await jest.advanceTimersByTimeAsync(60_000);
  expect(connectTokenFn).toHaveBeenCalledTimes(1);
});

it.each([
  [0, 0],
  ['1', 1],
  [3, 3],
])('a token is asked for as often as the application says: %j', async (connectTokenFnMaxAttempts, calls) => {
  const connectTokenFn = jest.fn(() => Promise.reject(new Error('no')));
  const connectTokenErrorFn = jest.fn((error: Error) => {
    expect(error.message).toBe('Failed to load a valid token after maximum attempts');
    client.suspend();
  });
  const client = begin(connectTokenFn, { connectTokenErrorFn, connectTokenFnMaxAttempts });
  await jest.advanceTimersByTimeAsync(2_000);
  expect([connectTokenErrorFn.mock.calls.length, connectTokenFn.mock.calls.length]).toEqual([1, calls]);
});
