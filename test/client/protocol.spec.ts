import { inspect } from 'node:util';
import {
  ClosedError,
  HearthClient,
  HotsockClient,
  InvalidArgumentError,
  UnauthorizedError,
  type ClientOptions,
} from '@hearth/client';
import { eventually } from '../support/eventually';
import { anyToken } from './fake-server';
import { client, start } from './with-fake-server';

/** What the client says and does, frame by frame, with a server that a test speaks for (client-library §2 to §4). */
describe('connecting', () => {
  it('asks with closeReason and resume, and says when it is connected', async () => {
    const server = await start();
    const states: string[] = [];
    const made = client(server.url);
    made.on('state', (state) => states.push(state));
    await made.connect();
    const { query } = await server.peer(1);
    expect([...query.keys()]).toEqual(['token', 'closeReason', 'resume']);
    expect([query.get('closeReason'), query.get('resume')]).toEqual(['1', 'e30']);
    expect([made.state, states]).toEqual(['connected', ['connected']]);
    expect(made.activeConnection).toMatchObject({ connectionId: 'abcdefghijklmno=', connectionSecret: 's', uid: 'u1' });
    expect(made.activeConnection.connectionExpiresAt).toEqual(new Date('2099-01-01T00:00:00Z'));
  });

  it('as HotsockClient asks for no resume, and sends the plain frames of the official client', async () => {
    const server = await start();
    const made = client(`${server.url}?x=1`, {}, HotsockClient as unknown as typeof HearthClient);
    await made.connect();
    const peer = await server.peer(1);
    expect([...peer.query.keys()]).toEqual(['x', 'token', 'closeReason']);
    made.bind('chat', () => undefined, { channel: 'c' });
    made.sendMessage('chat', { channel: 'c', data: 1 });
    await peer.frame('chat');
    expect(peer.frames).toEqual([
      { event: 'hotsock.subscribe', channel: 'c' },
      { channel: 'c', event: 'chat', data: 1 },
    ]);
  });

  it('calls the token function once an attempt, and never while it is connected (vector 4)', async () => {
    const server = await start((peer, number) => (number < 4 ? peer.socket.close(1011) : peer.connected()));
    const connectTokenFn = jest.fn(() => anyToken());
    const made = client(server.url, { connectTokenFn });
    await made.connect();
    expect(connectTokenFn).toHaveBeenCalledTimes(4);
    expect(server.peers).toHaveLength(4);
  });

  it.each([
    [4401, 3],
    [4403, 2],
  ])('gives up after %i in a row, %i times, until it is told to connect (vectors 5, 6)', async (code, times) => {
    let isRefusing = true;
    const server = await start((peer) => (isRefusing ? peer.socket.close(code, 'TOKEN_REVOKED') : peer.connected()));
    const connectTokenFn = jest.fn(() => anyToken());
    const made = client(server.url, { connectTokenFn });
    await expect(made.connect()).rejects.toThrow(UnauthorizedError);
    expect(made.state).toBe('failed');
    expect(made.error).toMatchObject({ name: 'UnauthorizedError', code: 'TOKEN_REVOKED' });
    expect(connectTokenFn).toHaveBeenCalledTimes(times);
    isRefusing = false;
    await made.connect();
    expect([made.state, made.error]).toEqual(['connected', undefined]);
    expect(connectTokenFn).toHaveBeenCalledTimes(times + 1);
  });

  it('gives up at once when the token function says so (vector 7)', async () => {
    const connectTokenFn = jest.fn(() => {
      throw new UnauthorizedError('signed out');
    });
    const made = client('ws://127.0.0.1:9', { connectTokenFn });
    await expect(made.connect()).rejects.toThrow('signed out');
    expect(connectTokenFn).toHaveBeenCalledTimes(1);
    expect(made.state).toBe('failed');
  });

  it('tells of a token function that fails, and tries again', async () => {
    const server = await start();
    let calls = 0;
    const connectTokenErrorFn = jest.fn();
    const made = client(server.url, {
      connectTokenFn: () => (++calls < 2 ? 'hey' : anyToken()),
      connectTokenFnMaxAttempts: 1,
      connectTokenErrorFn,
    });
    await made.connect();
    expect(connectTokenErrorFn.mock.calls.map(([error]) => error.message)).toEqual([
      'Failed to load a valid token after maximum attempts',
    ]);
  });

  it('that is terminated settles everything with ClosedError, and connects again for the next channel', async () => {
    const server = await start();
    const made = client(server.url);
    await made.connect();
    const channel = made.channel('c');
    channel.hold();
    const live = channel.history({ live: true })[Symbol.asyncIterator]();
    const promises = [channel.ready(), channel.publish('chat', 1), live.next()];
    made.terminate();
    for (const promise of promises) await expect(promise).rejects.toThrow(ClosedError);
    expect(made.state).toBe('closed');
    made.bind('chat', () => undefined, { channel: 'c' });
    await made.connect();
    expect(server.peers).toHaveLength(2);
  });

  it('that is terminated settles what is under way too, whoever sent it, and whoever waits for a socket', async () => {
    const server = await start((peer) => peer.connected(null));
    const made = client(server.url, { connectTokenFn: () => anyToken() });
    await made.connect();
    const sent = made.channel('c').publish('chat', 1);
    await (await server.peer(1)).frame('chat');
    made.terminate();
    await expect(sent).rejects.toThrow(ClosedError);
    const early = client(server.url, { connectTokenFn: () => new Promise(() => undefined) });
    const { activeConnection } = early;
    const open = activeConnection.connectionOpen();
    early.terminate();
    await expect(open).rejects.toThrow();
  });

  it('says in the words of the official client that it was closed before it was open', async () => {
    const server = await start();
    const { url } = server;
    await server.stop();
    const { activeConnection } = client(url);
    await expect(activeConnection.connectionOpen()).rejects.toThrow('connection closed');
  });

  it('says nothing of the token when it cannot be used', async () => {
    const told: unknown[] = [];
    const log = (...what: unknown[]): void => void told.push(...what);
    const logger = { debug: log, info: log, warn: log, error: log };
    class Refusing {
      constructor(url: string) {
        throw new SyntaxError(`the URL '${url}' is invalid`);
      }
    }
    const token = anyToken({ uid: 'secret' });
    const options = {
      logger,
      connectTokenFn: () => token,
      WebSocket: Refusing as unknown as ClientOptions['WebSocket'],
    };
    await expect(client('wss://x', options).connect()).rejects.toThrow(InvalidArgumentError);
    const noJson = `x.${Buffer.from('secret, and no JSON').toString('base64url')}.y`;
    client('wss://x', { logger, connectTokenFn: () => noJson, connectTokenFnMaxAttempts: 1 });
    await eventually(() => expect(told.length).toBeGreaterThan(2));
    const texts = told.map((what) => inspect(what, { depth: 9 })).join();
    for (const part of [token, 'secret']) expect(texts).not.toContain(part);
  });

  it('waits at random, longer each time, for a server that is not there (vector 8)', async () => {
    const waits: number[] = [];
    const random = jest.spyOn(Math, 'random').mockReturnValue(0.5);
    class Hurried extends HearthClient {
      override later(call: () => void, ms: number): () => void {
        const isHandshake = ms === 15_000;
        if (!isHandshake) waits.push(ms);
        return super.later(call, isHandshake ? ms : 0);
      }
    }
    const made = client(
      'ws://127.0.0.1:9',
      { backoff: undefined, livenessSeconds: 0 },
      Hurried as unknown as typeof HearthClient,
    );
    await eventually(() => expect(waits.length).toBeGreaterThan(6));
    made.terminate();
    random.mockRestore();
    expect(waits.slice(0, 7)).toEqual([500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
  });

  it('notices a server that is silent, half open, and comes back, whatever the clock is set to (vector 25)', async () => {
    const server = await start();
    const made = client(server.url, { livenessSeconds: 1 });
    await made.connect();
    const first = await server.peer(1);
    const now = Date.now;
    const clock = jest.spyOn(Date, 'now').mockImplementation(() => now() - 3_600_000);
    await first.frame('hotsock.ping').finally(() => clock.mockRestore());
    const [second] = await Promise.all([server.peer(2), eventually(() => expect(made.state).toBe('connected'))]);
    expect(second.query.get('closeReason')).toBe('1');
  }, 60_000);
});

it.each<[string, object]>([
  ['connectTokenFn', { connectTokenFn: 'x' }],
  ['connectTokenErrorFn', { connectTokenErrorFn: 'x' }],
  ['connectTokenFnMaxAttempts', { connectTokenFnMaxAttempts: Number.NaN }],
  ['heartbeatIntervalSeconds', { heartbeatIntervalSeconds: '30' }],
  ['livenessSeconds', { livenessSeconds: '60' }],
  ['baseMs', { backoff: { baseMs: -1 } }],
  ['maxMs', { backoff: { maxMs: Number.NaN } }],
  ['resumeStore.get', { resumeStore: {} }],
  ['httpUrl', { httpUrl: 5 }],
  ['recover', { recover: 'yes' }],
  ['shareTabs', { shareTabs: 1 }],
  ['WebSocket', { WebSocket: {} }],
  ['fetch', { fetch: 'x' }],
  ['onGap', { onGap: 'x' }],
  ['onError', { onError: 'x' }],
])('names the option that is wrong: %s', (name, options) => {
  const make = () => new HearthClient('ws://x', { connectTokenFn: () => '', lazyConnection: true, ...options });
  expect(make).toThrow(name);
});

it('names what is wrong with an address, a channel, an event and a handler', () => {
  const make = (url: never) => new HearthClient(url, { connectTokenFn: () => '', lazyConnection: true });
  expect(() => make('' as never)).toThrow(InvalidArgumentError);
  expect(() => make(5 as never)).toThrow('webSocketUrl must be a string');
  expect(() => new HearthClient('ws://x', undefined as never)).toThrow('connectTokenFn must be a function');
  const made = make('ws://x' as never);
  const nothing = undefined as never;
  expect(() => made.channel('')).toThrow('channel must be a string');
  expect(() => made.channel(nothing)).toThrow('channel must be a string');
  expect(() => made.bind('e', nothing)).toThrow('messageFn must be a function');
  for (const listen of [
    () => made.on('state', nothing),
    () => made.channel('c').on('e', nothing),
    () => made.channel('c').onGap(nothing),
    () => made.channel('c').presence.subscribe(nothing),
  ])
    expect(listen).toThrow('listener must be a function');
});

it('tells of frames that make no sense, and goes on', async () => {
  const server = await start();
  const errors: unknown[] = [];
  const made = client(server.url, { onError: (error) => errors.push(error) });
  await made.connect();
  const peer = await server.peer(1);
  const heard: unknown[] = [];
  made.channel('c').on('e', ({ data }) => heard.push(data));
  await peer.frame('hotsock.subscribe');
  peer.subscribed('c');
  const strange = [
    '',
    'x',
    'null',
    '5',
    '[]',
    '{}',
    '{"event":5}',
    '{"event":"hotsock.subscribed","channel":"c","data":5}',
  ];
  const wrong = ['"data":{"members":5}', '"data":{"members":[null]}', '"data":null', '"id":5', '"error":5'];
  for (const text of strange) peer.socket.send(text);
  for (const member of wrong) peer.socket.send(`{"event":"hotsock.memberAdded","channel":"c",${member}}`);
  peer.send({ event: 'e', channel: 'c', data: 1 });
  await eventually(() => expect(heard).toEqual([1]));
  expect([made.state, errors.length > 2]).toEqual(['connected', true]);
});

it.each(['constructor', 'toString', '__proto__'])(
  'subscribes a channel of the name %s, on each connection',
  async (name) => {
    const server = await start();
    const made = client(server.url);
    const heard: unknown[] = [];
    made.bind('e', ({ data }) => heard.push(['bound', data]), { channel: name });
    made.channel(name).on('e', ({ data }) => heard.push(data));
    for (const number of [1, 2]) {
      const peer = await server.peer(number);
      expect(await peer.frame('hotsock.subscribe')).toMatchObject({ channel: name });
      peer.subscribed(name);
      peer.send({ event: 'e', channel: name, data: number });
      await eventually(() => expect(heard.splice(0)).toEqual([['bound', number], number]));
      peer.socket.terminate();
    }
  },
);
