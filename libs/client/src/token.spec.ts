import { HearthClient } from './index';

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

const begin = (connectTokenFn: () => Promise<string>) =>
  new HearthClient('ws://x', { connectTokenFn, WebSocket: class {} as never, logLevel: 'silent' });

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
