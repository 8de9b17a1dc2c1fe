import { Channel, type ChannelHost } from './channel';

/** A presence channel that a token subscribes: nobody says where its entries end (client-library §7). */
function start() {
  let asked = 0;
  const host = {
    outbox: { add: () => Promise.resolve({}) },
    activeConnection: { find: () => undefined, resubscribe: () => asked++ },
    ...{ changed: () => undefined, released: () => undefined, failed: () => undefined },
    later: (call: () => void, ms: number) => {
      const timer = setTimeout(call, ms);
      return () => clearTimeout(timer);
    },
  };
  const channel = new Channel(host as unknown as ChannelHost, 'presence.c');
  const { storage } = channel;
  asked = 0;
  return {
    channel,
    storage,
    subscribed: () => channel.receive({ event: 'hotsock.subscribed', data: { autoSubscribed: true, members: [] } }),
    came: (key: string) => channel.receive({ event: 'hotsock.channelStorageUpdated', key, data: 1 as never }),
    /** Whether it is known to be all, its keys, and how often it was asked for. */
    seen: () => [storage.synced, [...storage.entries().keys()], asked],
  };
}

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

it('a storage of which something has come is whole a second later', () => {
  const { subscribed, came, seen } = start();
  subscribed();
  came('k');
  jest.advanceTimersByTime(999);
  expect(seen()).toEqual([false, ['k'], 0]);
  jest.advanceTimersByTime(1);
  expect(seen()).toEqual([true, ['k'], 0]);
});

it('a storage of which nothing has come is not taken for empty, but asked for', async () => {
  const { storage, subscribed, seen } = start();
  subscribed();
  await storage.set('mine', 1);
  jest.advanceTimersByTime(1_000);
  expect(seen()).toEqual([false, ['mine'], 1]);
});

it('a storage is judged by its own subscription, not by the time of the one before', () => {
  const { channel, subscribed, came, seen } = start();
  subscribed();
  came('k');
  jest.advanceTimersByTime(600);
  channel.lost();
  subscribed();
  jest.advanceTimersByTime(600);
  expect(seen()).toEqual([false, ['k'], 0]);
  came('k');
  jest.advanceTimersByTime(400);
  expect(seen()).toEqual([true, ['k'], 0]);
});
