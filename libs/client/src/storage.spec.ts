import { Channel, type ChannelHost } from './channel';

/** A presence channel that a token subscribes. @param asksStorage the end of its entries was asked for, and comes */
function start(asksStorage: boolean) {
  let asked = 0;
  const host = {
    outbox: { add: () => Promise.resolve({}) },
    activeConnection: { find: () => ({ asksStorage }), resubscribe: () => asked++ },
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
    subscribed: () => channel.receive({ event: 'hotsock.subscribed', data: { autoSubscribed: true, members: [] } }),
    lost: () => channel.lost(),
    came: (key: string) => channel.receive({ event: 'hotsock.channelStorageUpdated', key, data: 1 as never }),
    ended: () => channel.receive({ event: 'hotsock.channelStorageSynced' }),
    /** Whether it is known to be all, its keys, and how often it was asked for. */
    seen: () => [storage.synced, [...storage.entries().keys()], asked],
  };
}

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

it('a storage is whole when the server says so, however late its next page comes, and empty only then', () => {
  const { subscribed, came, ended, lost, seen } = start(true);
  subscribed();
  came('a');
  jest.advanceTimersByTime(60_000);
  expect(seen()).toEqual([false, ['a'], 0]);
  came('b');
  ended();
  expect(seen()).toEqual([true, ['a', 'b'], 0]);
  lost();
  subscribed();
  came('a');
  came('b');
  jest.advanceTimersByTime(60_000);
  expect(seen()).toEqual([false, ['a', 'b'], 0]);
  lost();
  subscribed();
  ended();
  expect(seen()).toEqual([true, [], 0]);
});

it('a storage of which nobody will say where it ends is asked for, and not taken for whole', () => {
  const { subscribed, came, seen } = start(false);
  subscribed();
  came('a');
  jest.advanceTimersByTime(60_000);
  expect(seen()).toEqual([false, ['a'], 1]);
});
