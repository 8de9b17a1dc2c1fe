import { PublishError, PublishUncertainError, StorageError, TimeoutError } from '@hearth/client';
import { eventually } from '../support/eventually';
import type { Frame } from '../support/ws-client';
import { anyToken } from './fake-server';
import { client, start } from './with-fake-server';

/** What the client says and does, frame by frame, with a server that a test speaks for (client-library §6, §7). */
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

  it('that is limited goes on, also when the clock of the page stands still', async () => {
    const server = await start();
    const made = client(server.url);
    await made.connect();
    const peer = await server.peer(1);
    const publishing = made.channel('c').publish('chat', 1);
    const { ref } = await peer.frame('chat');
    const clock = jest.spyOn(Date, 'now').mockReturnValue(Date.now());
    try {
      peer.send({
        event: 'hotsock.error',
        channel: 'c',
        ref,
        error: { code: 'RATE_LIMITED', message: 'x', retryAfterMs: 10 },
      });
      peer.send(published(await peer.frame('chat', 1)));
      expect(await publishing).toMatchObject({ id: 'id-1' });
    } finally {
      clock.mockRestore();
    }
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

  it('of storage are not empty where the server does not promise to say where the entries end', async () => {
    const server = await start();
    const name = 'presence.c';
    const { storage } = client(server.url).channel(name);
    const shown: unknown[] = [];
    storage.subscribe(() => shown.push([storage.synced, storage.get('k')]));
    const peer = await server.peer(1);
    await peer.frame('hotsock.subscribe');
    peer.subscribed(name, { autoSubscribed: true, members: [], resume: { token: 't' } });
    peer.send({ event: 'hotsock.error', channel: name, error: { code: 'ALREADY_SUBSCRIBED', message: 'twice' } });
    await eventually(() => expect([peer.frames.length, shown]).not.toEqual([1, []]));
    expect((await peer.frame('hotsock.subscribe', 1)).data).toMatchObject({ storage: true });
    peer.send({ event: 'hotsock.unsubscribed', channel: name, data: {} });
    peer.subscribed(name, { autoSubscribed: true, members: [], resume: { complete: true, token: 't' } });
    peer.send({ event: 'hotsock.channelStorageUpdated', channel: name, key: 'k', data: 1, meta: {} });
    peer.send({ event: 'hotsock.channelStorageSynced', channel: name, data: {} });
    await eventually(() => expect(storage.synced).toBe(true));
    expect(shown).toEqual([
      [false, 1],
      [true, 1],
    ]);
  });

  it('of storage that the token subscribes are asked for with the connection: others see nobody leave', async () => {
    const server = await start();
    const name = 'presence.c';
    const channels = { [name]: { autoSubscribe: true, alias: 'mine' }, other: { autoSubscribe: true } };
    const made = client(server.url, { connectTokenFn: () => anyToken({ uid: 'u1', channels }) });
    const { storage } = made.channel('mine');
    storage.subscribe(() => undefined);
    for (const [number, entries] of [['k'], []].entries()) {
      const peer = await server.peer(number + 1);
      const asked = JSON.parse(Buffer.from(peer.query.get('resume') ?? '', 'base64url').toString());
      expect(asked).toEqual({ [name]: { storage: true, ...(number > 0 && { token: 't' }) } });
      const error = { code: 'ALREADY_SUBSCRIBED', message: 'twice' };
      const data = { autoSubscribed: true, resume: { token: 't' }, storage: true, members: [] };
      peer.send({ event: 'hotsock.subscribed', channel: name, data, meta: { channelAlias: 'mine', uid: 'u1' } });
      peer.send({ event: 'hotsock.error', channel: 'mine', error });
      for (const key of entries) peer.send({ event: 'hotsock.channelStorageUpdated', channel: name, key, data: 1 });
      peer.send({ event: 'hotsock.channelStorageSynced', channel: name, data: {} });
      await eventually(() => expect([storage.synced, [...storage.entries().keys()]]).toEqual([true, entries]));
      expect(peer.frames.map(({ event }) => event)).toEqual(['hotsock.subscribe']);
      peer.socket.terminate();
    }
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
