import {
  ClosedError,
  HearthClient,
  HotsockClient,
  InvalidArgumentError,
  memoryStore,
  PublishError,
  PublishUncertainError,
  StorageError,
  SubscribeError,
  TimeoutError,
  UnauthorizedError,
  type ClientOptions,
  type Gap,
} from '@hearth/client';
import { inspect } from 'node:util';
import { WebSocket } from 'ws';
import { eventually } from '../support/eventually';
import type { Frame } from '../support/ws-client';
import { anyToken, FakeServer, type Peer } from './fake-server';

/** What the client says and does, frame by frame, with a server that a test speaks for (client-library §2 to §7). */
const servers: FakeServer[] = [];
const clients: HearthClient[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.terminate();
  await Promise.all(servers.splice(0).map((server) => server.stop()));
});

async function start(welcome?: (peer: Peer, number: number) => void): Promise<FakeServer> {
  const server = await FakeServer.start(welcome);
  servers.push(server);
  return server;
}

const silent = { debug() {}, info() {}, warn() {}, error() {} };

function client(url: string, options: Partial<ClientOptions> = {}, Kind = HearthClient): HearthClient {
  const made = new Kind(url, {
    connectTokenFn: () => anyToken({ uid: 'u1' }),
    WebSocket: WebSocket,
    logger: silent,
    backoff: { baseMs: 20, maxMs: 100 },
    ...options,
  });
  clients.push(made);
  return made;
}

const message = (channel: string, id: string, data: unknown = id): object => ({ id, event: 'chat', channel, data });

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

  it('notices a server that is silent, half open, and comes back (vector 25)', async () => {
    const server = await start();
    const made = client(server.url, { livenessSeconds: 1 });
    await made.connect();
    const first = await server.peer(1);
    await first.frame('hotsock.ping');
    const [second] = await Promise.all([server.peer(2), eventually(() => expect(made.state).toBe('connected'))]);
    expect(second.query.get('closeReason')).toBe('1');
  }, 60_000);
});

describe('a channel', () => {
  it('is subscribed once for all who want it, and not any more when nobody does', async () => {
    const server = await start();
    const made = client(server.url);
    await made.connect();
    const peer = await server.peer(1);
    const channel = made.channel('c');
    expect(made.channel('c')).toBe(channel);
    const offs = [channel.on('a', () => undefined), channel.on('*', () => undefined)];
    expect(await peer.frame('hotsock.subscribe')).toEqual({
      event: 'hotsock.subscribe',
      channel: 'c',
      data: { resume: true },
    });
    expect(channel.state).toBe('subscribing');
    peer.subscribed('c', { resume: { token: 't1' } });
    await channel.ready();
    expect(channel.state).toBe('subscribed');
    for (const off of offs) off();
    await peer.frame('hotsock.unsubscribe');
    expect(peer.frames).toHaveLength(2);
  });

  it('that is refused fails, and is asked for again when somebody wants it again', async () => {
    const server = await start();
    const errors: unknown[] = [];
    const made = client(server.url, { onError: (error) => errors.push(error) });
    const channel = made.channel('c');
    const off = channel.on('a', () => undefined);
    const peer = await server.peer(1);
    await peer.frame('hotsock.subscribe');
    const error = { code: 'SUBSCRIBE_PERMISSION_DENIED', message: 'no' };
    const refused = channel.ready();
    peer.send({ event: 'hotsock.error', channel: 'c', error });
    await expect(refused).rejects.toMatchObject({ name: 'SubscribeError', code: 'SUBSCRIBE_PERMISSION_DENIED' });
    expect(errors).toEqual([expect.any(SubscribeError)]);
    expect(channel.state).toBe('failed');
    off();
    channel.on('a', () => undefined);
    await peer.frame('hotsock.subscribe', 1);
  });

  it('may be wanted again by whoever is refused for whatever reason', async () => {
    const server = await start();
    const made = client(server.url);
    const channel = made.channel('presence.c');
    const off = channel.on('a', () => undefined);
    const peer = await server.peer(1);
    await peer.frame('hotsock.subscribe');
    const error = { code: 'PRESENCE_CHANNEL_CAPACITY_REACHED', message: 'full' };
    const refused = channel.ready();
    peer.send({ event: 'hotsock.error', channel: 'presence.c', error });
    await expect(refused).rejects.toMatchObject({ code: 'PRESENCE_CHANNEL_CAPACITY_REACHED' });
    channel.on('b', () => undefined);
    await peer.frame('hotsock.subscribe', 1);
    peer.subscribed('presence.c', { members: [], resume: { token: 't' } });
    await channel.ready();
    off();
    expect(channel.state).toBe('subscribed');
  });

  it('has functions that need nothing of their object, as the official client has', async () => {
    const server = await start();
    const made = client(server.url);
    const { bind, unbind, sendMessage } = made.channels('c');
    const heard: unknown[] = [];
    bind('chat', ({ data }) => heard.push(data));
    const peer = await server.peer(1);
    await peer.frame('hotsock.subscribe');
    peer.subscribed('c', { resume: { token: 't' } });
    peer.send(message('c', '1'));
    await eventually(() => expect(heard).toEqual(['1']));
    sendMessage('chat', { data: 1 });
    expect(await peer.frame('chat')).toEqual({ channel: 'c', event: 'chat', data: 1 });
    unbind('chat');
    await peer.frame('hotsock.unsubscribe');
  });

  it('has no id twice in the life of its client, though it was left in between', async () => {
    const server = await start();
    const made = client(server.url);
    const peer = await server.peer(1);
    const heard: unknown[] = [];
    for (const skip of [0, 1]) {
      const off = made.channel('c').on('chat', ({ id }) => heard.push(id));
      expect((await peer.frame('hotsock.subscribe', skip)).data).toEqual({ resume: true });
      peer.subscribed('c', { resume: { token: 't' } });
      peer.send(message('c', '1'));
      peer.send(message('c', `of ${skip}`));
      await eventually(() => expect(heard).toContain(`of ${skip}`));
      off();
      await peer.frame('hotsock.unsubscribe', skip);
      peer.send({ event: 'hotsock.unsubscribed', channel: 'c', data: {} });
    }
    expect(heard).toEqual(['1', 'of 0', 'of 1']);
  });

  it('is held by those who hold it, not by those who did before the client was terminated', async () => {
    const server = await start();
    const made = client(server.url);
    const [old] = [made.channel('c').on('chat', () => undefined)];
    await (await server.peer(1)).frame('hotsock.subscribe');
    made.terminate();
    made.channel('c').on('chat', () => undefined);
    const peer = await server.peer(2);
    await peer.frame('hotsock.subscribe');
    peer.subscribed('c', { resume: { token: 't' } });
    await made.channel('c').ready();
    old();
    expect(made.channel('c').state).toBe('subscribed');
    made.activeConnection.manageSubscriptions();
    made.sendMessage('mark', { channel: 'c' });
    await peer.frame('mark');
    expect(peer.frames.map(({ event }) => event)).toEqual(['hotsock.subscribe', 'mark']);
  });

  it('calls each handler, though one throws, and none twice for one id (vectors 15, 16)', async () => {
    const server = await start();
    const errors: unknown[] = [];
    const made = client(server.url, { onError: (error) => errors.push(error) });
    const heard: unknown[] = [];
    const channel = made.channel('c');
    channel.on('chat', () => {
      throw new Error('mine');
    });
    channel.on('chat', (() => Promise.reject(new Error('later'))) as () => void);
    channel.on('chat', ({ data }) => heard.push(data));
    made.bind(/chat/, ({ data }) => heard.push(`bound ${data}`), { channel: 'c' });
    const peer = await server.peer(1);
    await peer.frame('hotsock.subscribe');
    peer.subscribed('c', { resume: { token: 't' } });
    peer.send(message('c', '1'));
    peer.send(message('c', '1'));
    peer.send(message('c', '2'));
    await eventually(() => expect(heard).toEqual(['bound 1', '1', 'bound 2', '2']));
    await eventually(() => expect(errors).toHaveLength(4));
    expect(errors.map((error) => (error as Error).message).sort()).toEqual(['later', 'later', 'mine', 'mine']);
  });
});

describe('a hole', () => {
  async function holed(data: object | undefined, more: object[] = []): Promise<(Gap | string)[]> {
    const server = await start();
    const story: (Gap | string)[] = [];
    const made = client(server.url, { onGap: (gap) => story.push(gap) });
    made.channel('c').on('chat', ({ id }) => story.push(id ?? ''));
    const first = await server.peer(1);
    await first.frame('hotsock.subscribe');
    first.subscribed('c', { resume: { token: 't1' } });
    first.send(message('c', '1'));
    await eventually(() => expect(story).toEqual(['1']));
    if (data !== undefined) {
      first.socket.close(1011);
      const second = await server.peer(2);
      expect((await second.frame('hotsock.subscribe')).data).toEqual({ resume: { after: '1', token: 't1' } });
      second.subscribed('c', data);
      second.send(message('c', '2'));
    } else for (const frame of more) first.send(frame);
    await eventually(() => expect(story).toContain('2'));
    return story;
  }
  const gap = (reason: string, before: string | null = null) => ({ channel: 'c', reason, after: '1', before });

  it('is none when the resume was complete', async () => {
    expect(await holed({ resume: { complete: true, token: 't2' } })).toEqual(['1', '2']);
  });

  it('is told once, before the message behind it (vector 13)', async () => {
    expect(await holed({ resume: { complete: false, token: 't2' } })).toEqual(['1', gap('incomplete'), '2']);
  });

  it('is told when the server does not resume', async () => {
    expect(await holed({})).toEqual(['1', gap('unsupported'), '2']);
  });

  it('is told when the server tells of one (vector 14)', async () => {
    const missed = { event: 'hotsock.messagesMissed', channel: 'c', data: { after: '1', before: '2' } };
    expect(await holed(undefined, [missed, message('c', '2')])).toEqual(['1', gap('missed', '2'), '2']);
  });

  it('is told of every channel when the server closes for it, and not once more', async () => {
    const server = await start();
    const gaps: Gap[] = [];
    const made = client(server.url, { onGap: (one) => gaps.push(one) });
    for (const name of ['a', 'b']) made.channel(name).hold();
    const first = await server.peer(1);
    for (const skip of [0, 1]) await first.frame('hotsock.subscribe', skip);
    for (const name of ['a', 'b']) first.subscribed(name, { resume: { token: name } });
    await made.channel('b').ready();
    first.socket.close(1013, 'Messages missed');
    await eventually(() =>
      expect(gaps.map(({ channel, reason }) => [channel, reason])).toEqual([
        ['a', 'missed'],
        ['b', 'missed'],
      ]),
    );
    const second = await server.peer(2);
    await second.frame('hotsock.subscribe', 1);
    for (const name of ['a', 'b']) second.subscribed(name, { resume: { complete: false, token: name } });
    await made.channel('b').ready();
    expect(gaps).toHaveLength(2);
  });

  it('of an auto-subscribed channel is asked for in the connect URL', async () => {
    const token = anyToken({ uid: 'u1', channels: { auto: { autoSubscribe: true } } });
    const server = await start((peer) => {
      peer.connected();
      peer.subscribed('auto', { autoSubscribed: true, resume: { token: 't' } });
      peer.send(message('auto', '7'));
    });
    const store = memoryStore();
    const made = client(server.url, { connectTokenFn: () => token, resumeStore: store });
    const heard: unknown[] = [];
    made.bind('chat', ({ id }) => heard.push(id));
    await eventually(() => expect(heard).toEqual(['7']));
    made.suspend();
    made.resume();
    const second = await server.peer(2);
    const asked = JSON.parse(Buffer.from(second.query.get('resume') ?? '', 'base64url').toString());
    expect(asked).toEqual({ auto: { after: '7', token: 't' } });
    // A new client with the store, as after a reload.
    const again = client(server.url, { connectTokenFn: () => token, resumeStore: store });
    await again.connect();
    const third = await server.peer(3);
    expect(JSON.parse(Buffer.from(third.query.get('resume') ?? '', 'base64url').toString())).toEqual(asked);
  });
});

describe('publishing', () => {
  const published = (frame: Frame, more: object = {}) => ({
    ...{ event: 'hotsock.published', channel: frame.channel, ref: frame.ref },
    data: { id: `id-${frame.data}`, position: '1', ...more },
  });

  it('waits until it is connected and subscribed, keeps its order, and tells what came of it', async () => {
    const server = await start();
    const made = client(server.url);
    const channel = made.channel('c');
    channel.hold();
    const all = [1, 2, 3].map((n) => channel.publish('chat', n));
    const peer = await server.peer(1);
    await peer.frame('hotsock.subscribe');
    expect(peer.frames).toHaveLength(1);
    peer.subscribed('c', { resume: { token: 't' } });
    const frames = [await peer.frame('chat'), await peer.frame('chat', 1), await peer.frame('chat', 2)];
    expect(frames).toEqual(
      [1, 2, 3].map((data) => ({ channel: 'c', event: 'chat', data, ref: expect.stringMatching(/^[\w-]{1,64}$/) })),
    );
    for (const frame of frames) peer.send(published(frame));
    expect(await Promise.all(all)).toEqual(frames.map(({ ref, data }) => ({ ref, id: `id-${data}`, position: '1' })));
  });

  it('sends what was cut off again, with the same ref, in order, before what is newer (vector 21)', async () => {
    const server = await start();
    const made = client(server.url);
    await made.connect();
    const channel = made.channel('c');
    const first = await server.peer(1);
    const one = [channel.publish('chat', 1), channel.publish('chat', 2)];
    await first.frame('chat', 1);
    first.socket.terminate();
    one.push(channel.publish('chat', 3));
    const second = await server.peer(2);
    await second.frame('chat', 2);
    expect(second.frames.slice(0, 2)).toEqual(first.frames);
    for (const frame of second.frames) second.send(published(frame, { duplicate: true }));
    expect((await Promise.all(one)).map(({ id }) => id)).toEqual(['id-1', 'id-2', 'id-3']);
  });

  it('does not, when nobody could tell it from another one', async () => {
    const server = await start((peer) => peer.connected(null));
    const made = client(server.url, { connectTokenFn: () => anyToken() });
    await made.connect();
    const first = await server.peer(1);
    const sent = made.channel('c').publish('chat', 1);
    await first.frame('chat');
    first.socket.terminate();
    await expect(sent).rejects.toThrow(PublishUncertainError);
  });

  it('that is refused says why; one that is limited is sent again (vector 22)', async () => {
    const server = await start();
    const made = client(server.url);
    await made.connect();
    const peer = await server.peer(1);
    const refused = made.channel('c').publish('chat', 1);
    const { ref } = await peer.frame('chat');
    peer.send({
      event: 'hotsock.error',
      channel: 'c',
      ref,
      error: { code: 'RATE_LIMITED', message: 'x', retryAfterMs: 30 },
    });
    expect((await peer.frame('chat', 1)).ref).toBe(ref);
    peer.send({
      event: 'hotsock.error',
      channel: 'c',
      ref,
      error: { code: 'PUBLISH_PERMISSION_DENIED', message: 'no' },
    });
    await expect(refused).rejects.toMatchObject({
      name: 'PublishError',
      code: 'PUBLISH_PERMISSION_DENIED',
      message: 'no',
    });
  });

  it('that is limited goes on one at a time', async () => {
    const server = await start();
    const made = client(server.url);
    await made.connect();
    const peer = await server.peer(1);
    const all = [1, 2, 3].map((n) => made.channel('c').publish('chat', n));
    await peer.frame('chat', 2);
    const limited = { code: 'RATE_LIMITED', message: 'x', retryAfterMs: 10 };
    for (const { ref } of peer.frames.slice(0, 3)) {
      peer.send({ event: 'hotsock.error', channel: 'c', ref, error: limited });
    }
    for (const skip of [3, 4, 5]) {
      const again = await peer.frame('chat', skip);
      expect([again.data, peer.frames.length]).toEqual([skip - 2, skip + 1]);
      peer.send(published(again));
    }
    expect((await Promise.all(all)).map(({ id }) => id)).toEqual(['id-1', 'id-2', 'id-3']);
  });

  it('has limits: of data, of what waits, of what is unanswered', async () => {
    const server = await start();
    const made = client(server.url);
    await made.connect();
    const channel = made.channel('c');
    await expect(channel.publish('chat', 'x'.repeat(33_000))).rejects.toMatchObject({ code: 'DATA_TOO_LARGE' });
    const all = Array.from({ length: 1_065 }, (_, n) => channel.publish('chat', n));
    await expect(all.at(-1)).rejects.toThrow(PublishError);
    await expect(all.at(-1)).rejects.toMatchObject({ code: 'QUEUE_FULL' });
    const peer = await server.peer(1);
    await peer.frame('chat', 63);
    expect(peer.frames).toHaveLength(64);
    peer.send(published(peer.frames[0]));
    await peer.frame('chat', 64);
  });

  it('gives up after 30 s without a connection', async () => {
    jest.useFakeTimers({ doNotFake: ['queueMicrotask', 'nextTick'] });
    try {
      const made = client('ws://127.0.0.1:9', { lazyConnection: true });
      const sent = made.channel('c').publish('chat', 1);
      jest.advanceTimersByTime(30_001);
      await expect(sent).rejects.toThrow(TimeoutError);
    } finally {
      jest.useRealTimers();
    }
  });

  it('goes over HTTP once a server that is alive has never answered one', async () => {
    const server = await start();
    const asked: unknown[] = [];
    const made = client(server.url, {
      httpUrl: 'http://x',
      fetch: async (url, { body }) => {
        asked.push([url, JSON.parse(body)]);
        return { ok: true, status: 202, json: async () => ({ id: 'h1', event: 'chat', channel: 'c' }) };
      },
    });
    await made.connect();
    const peer = await server.peer(1);
    const sent = made.channel('c').publish('chat', 1);
    await peer.frame('chat');
    peer.socket.on('message', () => peer.send({ event: 'hotsock.pong', data: '{}' }));
    await expect(sent).rejects.toThrow(PublishUncertainError);
    expect(await made.channel('c').publish('chat', 2)).toMatchObject({ id: 'h1' });
    expect(asked).toEqual([
      [
        'http://x/connection/publishMessage?connectionId=abcdefghijklmno%3D&connectionSecret=s',
        { channel: 'c', event: 'chat', data: 2, eagerIdGeneration: true },
      ],
    ]);
  });
});

describe('views', () => {
  it('of members show what changed while the connection was lost (vector 24)', async () => {
    const server = await start();
    const made = client(server.url);
    const { presence } = made.channel('presence.c');
    const story: string[] = [];
    for (const event of ['join', 'leave', 'update'] as const) {
      presence.on(event, ({ uid, umd }) => story.push(`${event} ${uid} ${umd}`));
    }
    const member = (uid: string, umd: unknown = null) => ({ uid, umd });
    const first = await server.peer(1);
    await first.frame('hotsock.subscribe');
    first.subscribed('presence.c', { members: [member('a'), member('b'), member('c')], resume: { token: 't' } });
    await eventually(() => expect(presence.synced).toBe(true));
    const before = presence.members;
    expect([before.map(({ uid }) => uid), story]).toEqual([['a', 'b', 'c'], []]);
    first.socket.terminate();
    await eventually(() => expect(presence.synced).toBe(false));
    expect(presence.members).toBe(before);
    const second = await server.peer(2);
    await second.frame('hotsock.subscribe');
    second.subscribed('presence.c', {
      members: [member('a'), member('c', 1), member('d')],
      resume: { complete: true, token: 't' },
    });
    await eventually(() => expect(story).toEqual(['leave b null', 'update c 1', 'join d null']));
    expect(presence.members[0]).toBe(before[0]);
    second.send({
      event: 'hotsock.memberRemoved',
      channel: 'presence.c',
      data: { member: member('a'), members: [member('c', 1), member('d')] },
    });
    await eventually(() => expect(story.at(-1)).toBe('leave a null'));
  });

  it('of storage know where the entries end, though nobody had asked for it when it was subscribed', async () => {
    const server = await start();
    const channel = client(server.url).channel('c');
    channel.hold();
    const peer = await server.peer(1);
    expect((await peer.frame('hotsock.subscribe')).data).toEqual({ resume: true });
    const { storage } = channel;
    storage.subscribe(() => undefined);
    peer.subscribed('c', { resume: { token: 't' } });
    const again = await peer.frame('hotsock.subscribe', 1);
    expect(again.data).toEqual({ resume: { token: 't' }, storage: true });
    peer.send({ event: 'hotsock.unsubscribed', channel: 'c', data: {} });
    peer.subscribed('c', { resume: { complete: true, token: 't' } });
    peer.send({ event: 'hotsock.channelStorageSynced', channel: 'c', data: {} });
    await eventually(() => expect(storage.synced).toBe(true));
    expect(peer.frames.map(({ event }) => event)).toEqual([
      'hotsock.subscribe',
      'hotsock.unsubscribe',
      'hotsock.subscribe',
    ]);
  });

  it('of storage show a write at once, and the old value again when it is refused (vector 24)', async () => {
    const server = await start();
    const made = client(server.url);
    const { storage } = made.channel('c');
    let changes = 0;
    storage.subscribe(() => changes++);
    const updated = (key: string, data: unknown) => ({
      event: 'hotsock.channelStorageUpdated',
      channel: 'c',
      key,
      data,
      meta: {},
    });
    const peer = await server.peer(1);
    expect((await peer.frame('hotsock.subscribe')).data).toEqual({ resume: true, storage: true });
    peer.subscribed('c', { resume: { token: 't' } });
    peer.send(updated('k', 'old'));
    peer.send({ event: 'hotsock.channelStorageSynced', channel: 'c', data: {} });
    await eventually(() => expect([storage.get('k'), storage.synced]).toEqual(['old', true]));
    const entries = storage.entries();
    expect(storage.entries()).toBe(entries);
    const refused = storage.set('k', 'new');
    expect([storage.get('k'), storage.pending('k')]).toEqual(['new', true]);
    expect(entries.get('k')).toBe('old');
    const { ref, ...frame } = await peer.frame('hotsock.channelStorageSet');
    expect(frame).toEqual({ event: 'hotsock.channelStorageSet', channel: 'c', key: 'k', data: 'new' });
    peer.send({
      event: 'hotsock.error',
      channel: 'c',
      ref,
      error: { code: 'STORAGE_PERMISSION_DENIED', message: 'no' },
    });
    await expect(refused).rejects.toThrow(StorageError);
    expect([storage.get('k'), storage.pending('k')]).toEqual(['old', false]);
    const done = storage.set('k', 'newer');
    const second = await peer.frame('hotsock.channelStorageSet', 1);
    peer.send({ event: 'hotsock.published', channel: 'c', ref: second.ref, data: { id: '1' } });
    await done;
    expect([storage.get('k'), storage.pending('k')]).toEqual(['newer', false]);
    expect(changes).toBeGreaterThan(4);
    // What a later snapshot does not have is gone.
    peer.socket.terminate();
    const third = await server.peer(2);
    await third.frame('hotsock.subscribe');
    expect([storage.get('k'), storage.synced]).toEqual(['newer', false]);
    third.subscribed('c', { resume: { complete: true, token: 't' } });
    third.send(updated('other', 1));
    third.send({ event: 'hotsock.channelStorageSynced', channel: 'c', data: {} });
    await eventually(() => expect([...storage.entries()]).toEqual([['other', 1]]));
  });
});
