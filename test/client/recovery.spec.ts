import { setTimeout as delay } from 'node:timers/promises';
import { GapError, HearthClient, memoryStore, type ClientOptions, type Gap } from '@hearth/client';
import { WebSocket } from 'ws';
import { eventually } from '../support/eventually';
import { Client, connectToken, Testbed } from '../support/installation';
import { TcpProxy } from '../support/tcp-proxy';
import { describeFrontEnds } from './front-ends';
import { Locks } from './locks';
import { judge, runModel } from './random-model';

/** The client with a real server, over cuts and restarts: each message once, in order (client-library §5, §6). */
let testbed: Testbed;
let proxy: TcpProxy;
const clients: HearthClient[] = [];

beforeAll(async () => {
  testbed = await Testbed.start();
  proxy = await TcpProxy.start(testbed.gateways[0]?.port ?? 0);
});
afterEach(() => {
  for (const client of clients.splice(0)) client.terminate();
});
afterAll(async () => {
  await proxy?.stop();
  await testbed?.stop();
});

const EVERYTHING = {
  subscribe: true,
  historyStart: 0,
  messages: { '*': { publish: true, echo: true, store: 600, react: true } },
  storage: { '*': { set: true, get: true, observe: true, store: 600 } },
};
let number = 0;
const newChannel = () => `h${++number}`;

function client(options: Partial<ClientOptions> = {}, uid: string | undefined = 'u1'): HearthClient {
  const made = new HearthClient(`ws://127.0.0.1:${proxy.port}/v1`, {
    connectTokenFn: () => connectToken({ uid, channels: { '*': EVERYTHING }, limits: { publish: -1, frames: -1 } }),
    WebSocket: WebSocket,
    httpUrl: testbed.history.httpUrl,
    backoff: { baseMs: 50, maxMs: 500 },
    logger: { debug() {}, info() {}, warn() {}, error() {} },
    ...options,
  });
  clients.push(made);
  return made;
}

/** What a handler of the channel heard, holes included. */
function listen(made: HearthClient, name: string): { heard: unknown[]; channel: ReturnType<HearthClient['channel']> } {
  const heard: unknown[] = [];
  const channel = made.channel(name);
  channel.onGap((gap: Gap) => heard.push(gap));
  channel.on('e', ({ data }: { data: unknown }) => heard.push(data));
  return { heard, channel };
}

/** Publishes numbers, a few at a time, until it is told to stop. */
function load(channel: string): { stop(): Promise<number[]> } {
  const sent: number[] = [];
  let isOver = false;
  const over = (async () => {
    while (!isOver) {
      const next = [1, 2, 3].map((n) => sent.length + n);
      await testbed.publish(...next.map((data) => ({ channel, event: 'e', data, store: data % 2 === 0 ? 600 : 0 })));
      sent.push(...next);
      await delay(15);
    }
    return sent;
  })();
  return {
    stop: () => {
      isOver = true;
      return over;
    },
  };
}

it('gives every message once, in order, over 20 cuts under load (vector 9)', async () => {
  const name = newChannel();
  const made = client();
  const { heard, channel } = listen(made, name);
  await channel.ready();
  const publisher = load(name);
  for (let cut = 0; cut < 20; cut++) {
    const before = heard.length;
    proxy.cut();
    await eventually(() => expect(heard.length).toBeGreaterThan(before));
  }
  const sent = await publisher.stop();
  await eventually(() => expect(heard.at(-1)).toBe(sent.at(-1)));
  expect(heard).toEqual(sent);
});

it('gives every message once, in order, over the death of its gateway (vector 10)', async () => {
  const name = newChannel();
  const made = client();
  const { heard, channel } = listen(made, name);
  await channel.ready();
  const publisher = load(name);
  await eventually(() => expect(heard.length).toBeGreaterThan(10));
  const [first] = testbed.gateways;
  if (first === undefined) throw new Error('no gateway');
  testbed.apps.splice(testbed.apps.indexOf(first), 1);
  await first.kill('SIGKILL');
  proxy.lead(testbed.gateways[0]?.port ?? 0);
  await testbed.add('gateway');
  const before = heard.length;
  await eventually(() => expect(heard.length).toBeGreaterThan(before + 10));
  const sent = await publisher.stop();
  await eventually(() => expect(heard.at(-1)).toBe(sent.at(-1)));
  expect(heard).toEqual(sent);
});

it('gives what came while it was suspended, and what came before its first message (vectors 11, 12)', async () => {
  const name = newChannel();
  const made = client();
  const { heard, channel } = listen(made, name);
  await channel.ready();
  proxy.cut();
  await testbed.publish({ channel: name, event: 'e', data: 1 });
  await eventually(() => expect(heard).toEqual([1]));
  made.suspend();
  expect([made.state, channel.state]).toEqual(['suspended', 'subscribing']);
  await testbed.publish({ channel: name, event: 'e', data: 2 }, { channel: name, event: 'e', data: 3 });
  made.resume();
  await eventually(() => expect(heard).toEqual([1, 2, 3]));
});

it('goes on where the client before it was, with its store (vector 17)', async () => {
  const name = newChannel();
  const resumeStore = memoryStore();
  const first = client({ resumeStore });
  const before = listen(first, name);
  await before.channel.ready();
  await testbed.publish({ channel: name, event: 'e', data: 1 });
  await eventually(() => expect(before.heard).toEqual([1]));
  // As a page that is left: its connection goes, what it stored stays.
  first.suspend();
  await testbed.publish({ channel: name, event: 'e', data: 2 });
  const second = client({ resumeStore });
  const after = listen(second, name);
  await eventually(() => expect(after.heard).toEqual([2]));
  await testbed.publish({ channel: name, event: 'e', data: 3 });
  await eventually(() => expect(after.heard).toEqual([2, 3]));
  // Another user has no part in it.
  const other = listen(client({ resumeStore }, 'u2'), name);
  await other.channel.ready();
  await testbed.publish({ channel: name, event: 'e', data: 4 });
  await eventually(() => expect(other.heard).toEqual([4]));
});

it('drops the point of a channel that nobody wants any more', async () => {
  const name = newChannel();
  const made = client();
  const first: unknown[] = [];
  const off = made.channel(name).on('e', ({ data }) => first.push(data));
  await made.channel(name).ready();
  await testbed.publish({ channel: name, event: 'e', data: 1 });
  await eventually(() => expect(first).toEqual([1]));
  off();
  await eventually(() => expect(made.channel(name).state).toBe('idle'));
  await testbed.publish({ channel: name, event: 'e', data: 2 });
  await testbed.settle(name);
  const { heard, channel } = listen(made, name);
  await channel.ready();
  await testbed.publish({ channel: name, event: 'e', data: 3 });
  await eventually(() => expect(heard).toEqual([3]));
});

it('reads history and goes on live without a hole or a repeat, under load (vector 18)', async () => {
  const name = newChannel();
  const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => from + n);
  const store = (data: number) => ({ channel: name, event: 'e', data, store: 600 });
  await testbed.publish(...numbers(0, 250).map(store));
  await testbed.settle(name);
  const publishing = (async () => {
    for (let from = 250; from < 400; from += 5) await testbed.publish(...numbers(from, from + 5).map(store));
  })();
  const made = client();
  const heard: unknown[] = [];
  for await (const { data, event } of made.channel(name).history({ live: true })) {
    if (event === 'e') heard.push(data);
    if (data === 399) break;
    // A cut in the middle is no hole either.
    if (data === 300) proxy.cut();
  }
  await publishing;
  expect(heard).toEqual(numbers(0, 400));
  // Whoever stops reading is not subscribed any more (vector 19).
  await eventually(() => expect(made.channel(name).state).toBe('idle'));
  await eventually(async () => expect((await testbed.channel(name)).subscriptionsCount).toBe(0));
});

it('reads pages of history, forwards and back, within what is asked for', async () => {
  const name = newChannel();
  const ids = await testbed.store(name, ...Array.from({ length: 120 }, (_, n) => n));
  const channel = client().channel(name);
  const read = async (options: object): Promise<unknown[]> => {
    const datas: unknown[] = [];
    for await (const { data } of channel.history(options)) datas.push(data);
    return datas;
  };
  expect(await read({})).toHaveLength(120);
  expect(await read({ limit: 3 })).toEqual([0, 1, 2]);
  expect(await read({ reverse: true, limit: 3 })).toEqual([119, 118, 117]);
  expect(await read({ after: ids[117] })).toEqual([118, 119]);
  expect(await read({ reverse: true, before: ids[2] })).toEqual([1, 0]);
  expect(await read({ after: ids[3], before: ids[6] })).toEqual([4, 5]);
  expect(() => channel.history({ reverse: true, live: true })).toThrow('reverse');
  const abort = new AbortController();
  const live = channel.history({ live: true, after: ids[119], signal: abort.signal })[Symbol.asyncIterator]();
  const next = live.next();
  abort.abort(new Error('enough'));
  await expect(next).rejects.toThrow('enough');
  expect(GapError).toBeDefined();
});

it('publishes what was asked for before it was connected, each once and in order (vector 20)', async () => {
  const name = newChannel();
  const watcher = await Client.open(testbed.gateways[1] ?? testbed.app('gateway'), testbed.history, {
    channels: { [name]: { subscribe: true } },
  });
  await watcher.subscribe(name);
  const made = client();
  const channel = made.channel(name);
  channel.hold();
  const sent = Array.from({ length: 50 }, (_, n) => channel.publish('e', n));
  // Whatever is under way when the connection breaks is sent again, and accepted once (vector 21).
  await sent[0];
  sent.push(...Array.from({ length: 50 }, (_, n) => channel.publish('e', 50 + n)));
  proxy.cut();
  const published = await Promise.all(sent);
  await watcher.ws.next(({ data }) => data === 99);
  const told = watcher.ws.frames.filter(({ event }) => event === 'e');
  expect(told.map(({ data }) => data)).toEqual(Array.from({ length: 100 }, (_, n) => n));
  expect(published.map(({ id }) => id)).toEqual(told.map(({ id }) => id));
  await watcher.ws.close();
});

it.each([
  ['a page', false],
  ['a tab', true],
])(
  'shows the difference of what %s has of a storage after a cut, also where nobody had to ask for the channel',
  async (_, shareTabs) => {
    Object.defineProperty(globalThis, 'navigator', { value: { locks: new Locks() }, configurable: true });
    const name = newChannel();
    const token = connectToken({ uid: 'u1', channels: { [name]: { ...EVERYTHING, autoSubscribe: true } } });
    const made = client({ connectTokenFn: () => token, shareTabs });
    let asked = 0;
    made.bind('@@messageSent', (text: string) => (asked += text.includes('hotsock.subscribe"') ? 1 : 0));
    const { storage } = made.channel(name);
    const shown: unknown[] = [];
    await storage.set('k', 1);
    storage.subscribe(() => shown.push(storage.get('k')));
    await eventually(() => expect(storage.synced).toBe(true));
    const first = made.activeConnection;
    proxy.cut();
    await eventually(() => expect([made.activeConnection === first, storage.synced]).toEqual([false, true]));
    expect(new Set(shown)).toEqual(new Set([1]));
    expect(asked).toBeLessThanOrEqual(4);
  },
);

it('does not leave a presence channel that nobody had to ask for because of its storage, which is whole after a cut', async () => {
  const name = `presence.${newChannel()}`;
  const token = connectToken({ uid: 'u1', channels: { [name]: { ...EVERYTHING, autoSubscribe: true } } });
  const watcher = await testbed.connect({ uid: 'u2', channels: { [name]: EVERYTHING } }, testbed.gateways[1]);
  await watcher.subscribe(name);
  const write = (key: string, data: unknown) =>
    testbed.publish({ event: 'hotsock.channelStorageSet', channel: name, key, data });
  /** What the watcher was told of who is there, once everything before has been. */
  const told = async (): Promise<unknown[]> => {
    const mark = `mark-${Math.random()}`;
    await testbed.publish({ channel: name, event: mark });
    await watcher.ws.next(mark);
    const events = watcher.ws.frames.map(({ event }) => String(event));
    return events.filter((event) => event.startsWith('hotsock.member')).map((event) => event.slice(14));
  };
  await write('kept', 1);
  await write('gone', 1);
  const made = client({ connectTokenFn: () => token });
  const { storage } = made.channel(name);
  storage.subscribe(() => undefined);
  const isSynced = (...keys: string[]) =>
    eventually(() => expect([[...storage.entries().keys()], storage.synced]).toEqual([keys, true]));
  await isSynced('gone', 'kept');
  expect(await told()).toEqual(['Added']);
  proxy.cut();
  await eventually(() => expect(storage.synced).toBe(false));
  await isSynced('gone', 'kept');
  expect(await told()).toEqual(['Added', 'Removed', 'Added']);
  made.suspend();
  await write('gone', null);
  made.resume();
  await isSynced('kept');
  await watcher.ws.close();
});

it('reacts, stores, and shows who is there', async () => {
  const name = `presence.${newChannel()}`;
  const [one, two] = [client({}, 'u1'), client({}, 'u2')];
  const room = one.channel(name);
  const other = two.channel(name);
  room.presence.subscribe(() => undefined);
  other.storage.subscribe(() => undefined);
  await eventually(() => expect(room.presence.members.map(({ uid }) => uid).sort()).toEqual(['u1', 'u2']));
  await room.storage.set('topic', { text: 'hi' });
  expect(room.storage.get('topic')).toEqual({ text: 'hi' });
  await eventually(() => expect([other.storage.get('topic'), other.storage.synced]).toEqual([{ text: 'hi' }, true]));
  await room.storage.delete('topic');
  await eventually(() => expect(other.storage.entries().size).toBe(0));
  const { id } = await room.publish('chat', 'hello');
  const reactions: unknown[] = [];
  other.on('hotsock.messageReactionAdded', ({ data }) => reactions.push(data));
  await eventually(() => room.react(id ?? '', '👍'));
  await eventually(() => expect(reactions).toEqual([{ messageId: id, reaction: '👍', action: 'add' }]));
  await expect(room.react('nothing', '👍')).rejects.toMatchObject({ name: 'PublishError', code: 'INVALID_REACTION' });
  two.terminate();
  await eventually(() => expect(room.presence.members.map(({ uid }) => uid)).toEqual(['u1']));
});

describeFrontEnds(() => ({ testbed, url: `ws://127.0.0.1:${proxy.port}/v1`, clients }));

it('notices what it is to notice: the model can fail', () => {
  expect(judge([1, 2, 3], 3)).toEqual({ missed: 0, doubled: 0, inverted: 0 });
  expect(judge([1, 3, 3, 2], 4)).toEqual({ missed: 2, doubled: 1, inverted: 1 });
  expect(judge([1, 'gap', 3], 3)).toEqual({ missed: 0, doubled: 0, inverted: 0 });
  expect(judge([1, 2, 'killed', 2, 3], 3)).toEqual({ missed: 0, doubled: 0, inverted: 0 });
  expect(judge([1, 2, 'killed', 4, 4], 4)).toEqual({ missed: 1, doubled: 1, inverted: 0 });
});

/** Longer by hand: `npm run client:model`. */
const MODEL_SECONDS = Number(process.env.HEARTH_MODEL_SECONDS ?? 10) / 2;
it.each([
  ['pages', false],
  ['tabs of one connection', true],
])(
  'misses nothing untold, doubles and inverts nothing in a random model of %s (vector 25)',
  async (_, shareTabs) => {
    Object.defineProperty(globalThis, 'navigator', { value: { locks: new Locks() }, configurable: true });
    const seed = Number(process.env.HEARTH_MODEL_SEED ?? Date.now() % 1_000_000);
    const prefix = newChannel();
    const verdict = await runModel(
      {
        seed,
        seconds: MODEL_SECONDS,
        channels: [`${prefix}-a`, `${prefix}-b`],
        newClient: (resumeStore) => client({ resumeStore, shareTabs }),
        publish: (channel, from, count) =>
          testbed.publish(
            ...Array.from({ length: count }, (_, n) => ({
              ...{ channel, event: 'e', data: from + n, store: (from + n) % 2 === 0 ? 600 : 0 },
            })),
          ),
        faults: {
          cut: () => proxy.cut(),
          slow: async () => {
            proxy.slowDown(100);
            await delay(300);
            proxy.slowDown(0);
          },
          halt: async () => {
            proxy.halt();
            await delay(300);
            proxy.goOn();
          },
          kill: async () => {
            const [first, second] = testbed.gateways;
            if (first === undefined || second === undefined) throw new Error('two gateways are needed');
            testbed.apps.splice(testbed.apps.indexOf(first), 1);
            await first.kill('SIGKILL');
            proxy.lead(second.port);
            await testbed.add('gateway');
          },
        },
      },
      (check) => eventually(check),
    );
    process.stdout.write(`random model, ${MODEL_SECONDS} s, seed ${seed}: ${JSON.stringify(verdict)}\n`);
    expect({ seed, ...verdict }).toMatchObject({ seed, missed: 0, doubled: 0, inverted: 0 });
    expect(verdict.given).toBeGreaterThan(20);
  },
  (MODEL_SECONDS + 120) * 1_000,
);
