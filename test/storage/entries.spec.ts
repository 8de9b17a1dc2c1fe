import { Client as PgClient } from 'pg';
import { io } from 'socket.io-client';
import { connectToken, subscribeToken, Testbed } from '../support/installation';
import { eventually } from '../support/eventually';
import type { Frame, WsClient } from '../support/ws-client';

/** Storage entries over sockets (websocket-protocol §3, §4; channels-presence-storage §5; tokens-and-claims §4.4). */
let testbed: Testbed;
beforeAll(async () => {
  testbed = await Testbed.start();
});
afterAll(() => testbed?.stop());

const ALL = { observe: true, get: true, set: true };
let number = 0;
/** A channel of its own for each test. */
const newChannel = () => `c${++number}`;

async function client(claims: object, gateway = 0): Promise<WsClient> {
  return (await testbed.connect({ uid: 'u1', ...claims }, testbed.gateways[gateway])).ws;
}

function allowing(channel: string, storage: object, more: object = {}) {
  return { channels: { [channel]: { subscribe: true, storage, ...more } } };
}

async function subscribe(ws: WsClient, channel: string): Promise<void> {
  ws.send({ event: 'hotsock.subscribe', channel });
  await ws.next('hotsock.subscribed');
}

function set(ws: WsClient, channel: string, key: string, data?: unknown): void {
  ws.send({ event: 'hotsock.channelStorageSet', channel, key, data });
}

async function get(ws: WsClient, channel: string, key: string): Promise<Frame> {
  ws.send({ event: 'hotsock.channelStorageGet', channel, key });
  return ws.next(({ event }) => event === 'hotsock.channelStorageData' || event === 'hotsock.error');
}

const updates = (ws: WsClient): Frame[] => ws.frames.filter(({ event }) => event === 'hotsock.channelStorageUpdated');
/** Everything that was sent before has come when the answer to this is there. */
async function settled(ws: WsClient, channel: string): Promise<void> {
  // What is published over HTTP may overtake what its gateway has not read yet.
  ws.send({ event: 'hotsock.ping' });
  await ws.next('hotsock.pong');
  await testbed.publish({ channel, event: 'settled' });
  await ws.next('settled');
}

describe('an entry', () => {
  it('that is set reaches every observer on every gateway, the writer too, with the writer as meta', async () => {
    const channel = newChannel();
    const writer = await client({ umd: { a: 1 }, ...allowing(channel, { k: ALL }) });
    const other = await client(allowing(channel, { '*': { observe: true } }), 1);
    await Promise.all([subscribe(writer, channel), subscribe(other, channel)]);
    set(writer, channel, 'k', { n: [1] });
    const frame = `{"event":"hotsock.channelStorageUpdated","channel":"${channel}","key":"k","data":{"n":[1]},"meta":{"uid":"u1","umd":{"a":1}}}`;
    for (const ws of [writer, other]) {
      await ws.next('hotsock.channelStorageUpdated');
      expect(ws.texts.at(-1)).toBe(frame);
    }
    expect(await get(writer, channel, 'k')).toEqual({
      event: 'hotsock.channelStorageData',
      channel,
      key: 'k',
      data: { n: [1] },
      meta: { uid: 'u1', umd: { a: 1 } },
    });
  });

  it('keeps numbers as they were written', async () => {
    const channel = newChannel();
    const ws = await client(allowing(channel, { k: ALL }));
    await subscribe(ws, channel);
    ws.send(
      `{"event":"hotsock.channelStorageSet","channel":"${channel}","key":"k","data":{"n": 12345678901234567890}}`,
    );
    await ws.next('hotsock.channelStorageUpdated');
    expect(ws.texts.at(-1)).toContain('"data":{"n": 12345678901234567890}');
    await get(ws, channel, 'k');
    expect(ws.texts.at(-1)).toContain('"data":{"n": 12345678901234567890}');
  });

  it('set to an equal value with its members reordered is told once; {} clears (§8.5)', async () => {
    const channel = newChannel();
    const ws = await client(allowing(channel, { k: ALL }));
    await subscribe(ws, channel);
    // Its picture of the entries has been read: one that is read later has all of this in it.
    await settled(ws, channel);
    set(ws, channel, 'k', { a: 1, b: { c: 2, d: 3 } });
    ws.send(
      `{"event":"hotsock.channelStorageSet","channel":"${channel}","key":"k","data":{"b":{"d":3,"c":2},"a":1.0}}`,
    );
    set(ws, channel, 'k', {});
    set(ws, channel, 'k');
    const unset = { event: 'hotsock.channelStorageData', channel, key: 'k', data: null, meta: null };
    expect(await get(ws, channel, 'k')).toEqual(unset);
    await settled(ws, channel);
    expect(updates(ws).map(({ data }) => data as unknown)).toEqual([{ a: 1, b: { c: 2, d: 3 } }, null]);
    expect(updates(ws)[1].meta).toEqual({ uid: 'u1', umd: null });
  });

  it('can be read right after it was written, on whatever gateway, without a subscription', async () => {
    const channel = newChannel();
    const [one, two] = [await client(allowing(channel, { k: ALL })), await client(allowing(channel, { k: ALL }), 1)];
    for (let i = 1; i <= 20; i++) {
      set(one, channel, 'k', i);
      expect(await get(one, channel, 'k')).toMatchObject({ data: i });
      expect(await get(two, channel, 'k')).toMatchObject({ data: i });
    }
    expect(updates(one)).toEqual([]);
  });

  it('is found by an alias, and told by the real name', async () => {
    const channel = newChannel();
    const ws = await client(allowing(channel, { k: ALL }, { alias: 'nick' }));
    await subscribe(ws, 'nick');
    set(ws, 'nick', 'k', 1);
    expect(await ws.next('hotsock.channelStorageUpdated')).toMatchObject({ channel });
    expect(await get(ws, 'nick', 'k')).toMatchObject({ channel, data: 1 });
  });

  it('goes by the rights of a subscribe token while its subscription lasts', async () => {
    const channel = newChannel();
    const ws = await client({});
    set(ws, channel, 'k', 1);
    expect(await ws.next('hotsock.error')).toMatchObject({ error: { code: 'STORAGE_PERMISSION_DENIED' } });
    const token = subscribeToken({ uid: 'u1', umd: 'mine', ...allowing(channel, { k: ALL }) });
    ws.send({ event: 'hotsock.subscribe', channel, data: { token } });
    await ws.next('hotsock.subscribed');
    set(ws, channel, 'k', 1);
    expect(await ws.next('hotsock.channelStorageUpdated')).toMatchObject({ meta: { uid: 'u1', umd: 'mine' } });
    ws.send({ event: 'hotsock.unsubscribe', channel });
    expect(await get(ws, channel, 'k')).toMatchObject({ error: { code: 'STORAGE_PERMISSION_DENIED' } });
  });

  it('goes by them also when its client leaves before it is known whether there is room for it', async () => {
    const channel = newChannel();
    const [observer, writer] = [await client(allowing(channel, { k: ALL })), await client({})];
    await subscribe(observer, channel);
    const token = subscribeToken({ uid: 'u1', ...allowing(channel, { k: ALL }) });
    writer.send({ event: 'hotsock.subscribe', channel, data: { token } });
    await writer.next('hotsock.subscribed');
    const sql = new PgClient(testbed.database.url);
    await sql.connect();
    try {
      await sql.query('begin; lock table channel_storage');
      set(writer, channel, 'k', 'the last');
      await writer.close();
    } finally {
      await sql.end();
    }
    expect(await observer.next('hotsock.channelStorageUpdated')).toMatchObject({ data: 'the last' });
  });
});

describe('the rights', () => {
  it('G1: get is granted by key, also without a subscription, and by nothing else', async () => {
    const ws = await client({
      channels: { a: { storage: { config: { get: true }, seen: { observe: true, set: true } } } },
    });
    expect(await get(ws, 'a', 'config')).toMatchObject({ event: 'hotsock.channelStorageData', data: null });
    for (const key of ['other', 'seen']) {
      expect(await get(ws, 'a', key)).toMatchObject({
        event: 'hotsock.error',
        channel: 'a',
        error: { code: 'STORAGE_PERMISSION_DENIED' },
      });
    }
  });

  it('G2: set is denied by an exact false', async () => {
    const channel = newChannel();
    const ws = await client(allowing(channel, { '*': { set: true, observe: true }, locked: { set: false } }));
    await subscribe(ws, channel);
    set(ws, channel, 'locked', 1);
    set(ws, channel, 'x', 1);
    expect(await ws.next('hotsock.error')).toMatchObject({ channel, error: { code: 'STORAGE_PERMISSION_DENIED' } });
    expect(await ws.next('hotsock.channelStorageUpdated')).toMatchObject({ key: 'x' });
    expect(updates(ws)).toHaveLength(1);
  });

  it('G3: store 0 is refused with the token', async () => {
    await expect(client(allowing('a', { 's.*': { set: true, store: 0 } }))).rejects.toMatchObject({ status: 401 });
  });

  it('G4: observe needs a subscription, and hides what it is not granted for among messages', async () => {
    const channel = newChannel();
    const storage = { k: { observe: true }, w: { set: true }, 'k*': { set: true } };
    const [ws, outside] = [await client(allowing(channel, storage)), await client(allowing(channel, storage))];
    await subscribe(ws, channel);
    set(ws, channel, 'w', 1);
    set(ws, channel, 'k2', 1);
    set(ws, channel, 'k', 1);
    await settled(ws, channel);
    expect(updates(ws).map(({ key }) => key as string)).toEqual(['k']);
    ws.send({ event: 'hotsock.unsubscribe', channel });
    set(ws, channel, 'k', 2);
    await ws.next('hotsock.unsubscribed');
    await subscribe(ws, channel);
    expect(await ws.next('hotsock.channelStorageUpdated')).toMatchObject({ data: 2 });
    expect(updates(ws)).toHaveLength(2);
    expect(outside.frames).toHaveLength(1);
  });

  it('G5: a scheduled set needs scheduleBefore, that late', async () => {
    const at = (ms: number) => `at(${new Date(ms).toISOString().slice(0, 19)})`;
    const now = Date.now();
    const storage = {
      plain: { set: true },
      zero: { set: true, scheduleBefore: 0 },
      past: { set: true, scheduleBefore: now / 1_000 - 60 },
      soon: { set: true, scheduleBefore: now / 1_000 + 30 },
      unset: { scheduleBefore: now / 1_000 + 600 },
    };
    const ws = await client(allowing(newChannel(), storage));
    const channel = `c${number}`;
    const refusals: unknown[] = [];
    for (const key of Object.keys(storage)) {
      ws.send({ event: 'hotsock.channelStorageSet', channel, key, data: 1, scheduleExpression: at(now + 60_000) });
      refusals.push((await ws.next('hotsock.error')).error.code);
    }
    expect(refusals).toEqual([...Array<string>(4).fill('SCHEDULE_PERMISSION_DENIED'), 'STORAGE_PERMISSION_DENIED']);
  });

  it.each([
    ['a key with a space', 'INVALID_STORAGE_KEY', { key: 'a b' }],
    ['no key', 'INVALID_STORAGE_KEY', {}],
    ['a value of one byte too many', 'DATA_TOO_LARGE', { key: 'k', data: 'x'.repeat(32_767) }],
    ['an instant that has passed', 'INVALID_SCHEDULE', { key: 'k', scheduleExpression: 'at(2001-01-01T00:00:00)' }],
    ['a number as key', 'INVALID_TYPE', { key: 7 }],
  ])('%s is answered with %s', async (_what, code, frame) => {
    const ws = await client(allowing('a', { '*': ALL }));
    ws.send({ event: 'hotsock.channelStorageSet', channel: 'a', ...frame });
    expect(await ws.next('hotsock.error')).toMatchObject({ channel: 'a', error: { code } });
  });

  it('a value of exactly 32 KiB is one', async () => {
    const channel = newChannel();
    const ws = await client(allowing(channel, { '*': ALL }));
    set(ws, channel, 'k', 'x'.repeat(32_766));
    expect((await get(ws, channel, 'k')).data).toHaveLength(32_766);
  });
});

describe('a server', () => {
  it('sets entries without rights, in nobody’s name, for ever unless told otherwise', async () => {
    const channel = newChannel();
    const ws = await client(allowing(channel, { k: ALL }));
    await subscribe(ws, channel);
    // Its picture of the entries has been read: one that is read later has all of this in it.
    await settled(ws, channel);
    const document = { channel, event: 'hotsock.channelStorageSet', key: 'k' };
    await testbed.publish({ ...document, data: 'server', deduplicationId: channel }, { ...document, data: null });
    await testbed.publish({ ...document, data: 'again', deduplicationId: channel });
    await settled(ws, channel);
    expect(updates(ws)).toEqual([
      { event: 'hotsock.channelStorageUpdated', channel, key: 'k', data: 'server', meta: { uid: null, umd: null } },
      { event: 'hotsock.channelStorageUpdated', channel, key: 'k', data: null, meta: { uid: null, umd: null } },
    ]);
  });
});

describe('over Socket.IO', () => {
  it('entries are set, read with an acknowledgement, and observed', async () => {
    const channel = newChannel();
    const socket = io(testbed.gateways[0]?.httpUrl ?? '', {
      transports: ['websocket'],
      forceNew: true,
      auth: { token: connectToken({ uid: 'u1', ...allowing(channel, { k: ALL }) }) },
    });
    try {
      const seen: Frame[] = [];
      socket.on('hotsock.channelStorageUpdated', (frame: Frame) => seen.push(frame));
      const other = await client(allowing(channel, { k: ALL }));
      set(other, channel, 'k', 'before');
      expect(await get(other, channel, 'k')).toMatchObject({ data: 'before' });
      await socket.emitWithAck('hotsock.subscribe', { channel });
      // A change that comes sooner may be told instead of what was there (websocket-protocol §9.2).
      await eventually(() => expect(seen).toHaveLength(1));
      expect(await socket.emitWithAck('hotsock.channelStorageSet', { channel, key: 'k', data: 'after' })).toBeFalsy();
      expect(await socket.emitWithAck('hotsock.channelStorageGet', { channel, key: 'k' })).toMatchObject({
        event: 'hotsock.channelStorageData',
        data: 'after',
      });
      expect(await socket.emitWithAck('hotsock.channelStorageGet', { channel, key: 'x' })).toMatchObject({
        error: { code: 'STORAGE_PERMISSION_DENIED' },
      });
      await eventually(() => expect(seen.map(({ data }) => data as unknown)).toEqual(['before', 'after']));
    } finally {
      socket.disconnect();
    }
  });
});
