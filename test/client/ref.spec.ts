import { io, type Socket } from 'socket.io-client';
import { Client, connectToken, Testbed } from '../support/installation';
import { pauseProcess, resumeProcess } from '../support/pause-process';
import type { Frame } from '../support/ws-client';

/** A client's publish with a `ref`, on the wire (client-library §6). */
let testbed: Testbed;
const sockets: Socket[] = [];

beforeAll(async () => {
  testbed = await Testbed.start();
});
afterAll(async () => {
  for (const socket of sockets) socket.disconnect();
  await testbed?.stop();
});

const ULID = /^[0-9A-HJKMNP-TV-Z]{26}$/;
const scheduleBefore = Math.ceil(Date.now() / 1_000) + 7_200;
const scheduleExpression = `at(${new Date(Date.now() + 3_600_000).toISOString().slice(0, 19)})`;
const EVERYTHING = {
  subscribe: true,
  alias: 'mine',
  historyStart: 0,
  messages: { '*': { publish: true, store: 600, react: ['x'], scheduleBefore }, mute: { publish: false } },
  storage: { '*': { set: true, get: true, observe: true, store: 600, scheduleBefore }, shut: { set: false } },
};

let number = 0;
const newChannel = () => `r${++number}`;
const claims = (channel: string, uid: string | undefined = 'u1') => ({ uid, channels: { [channel]: EVERYTHING } });

async function joined(channel: string, gateway = 0, uid?: string | null): Promise<Client> {
  const client = await testbed.connect(
    claims(channel, uid === null ? undefined : (uid ?? 'u1')),
    testbed.gateways[gateway],
  );
  await client.subscribe(channel);
  return client;
}

/** Sends something with a `ref` and gives what comes back for it. */
async function ask(client: Client, request: object): Promise<Frame> {
  client.ws.send(request);
  return client.ws.next(({ event }) => event === 'hotsock.published' || event === 'hotsock.error');
}

/** Messages of the channel that a watcher was sent, once everything before has been. */
async function told(watcher: Client, channel: string, event = 'chat'): Promise<unknown[]> {
  const mark = `mark-${Math.random()}`;
  await testbed.publish({ channel, event: mark });
  await watcher.ws.next(mark);
  return watcher.ws.frames.filter((frame) => frame.event === event).map(({ data }) => data as unknown);
}

const chat = (channel: string, data: unknown, ref?: string) => ({ channel, event: 'chat', data, ref });

describe('a message with a ref', () => {
  it('is answered with its id and its place, byte by byte, and nobody else sees the ref', async () => {
    const channel = newChannel();
    const [client, watcher] = await Promise.all([joined(channel), joined(channel, 1, 'u2')]);
    client.ws.send(`{"channel":"${channel}","event":"chat","data":"hi","ref":"r-_1"}`);
    const { id } = await watcher.ws.next('chat');
    await client.ws.next('hotsock.published');
    const text = client.ws.texts.at(-1) ?? '';
    const position = /"position":"(\d+)"/.exec(text)?.[1];
    expect(text).toBe(
      `{"event":"hotsock.published","channel":"${channel}","ref":"r-_1","data":{"id":"${id}","position":"${position}"}}`,
    );
    expect(watcher.ws.texts.at(-1)).toBe(
      `{"id":"${id}","event":"chat","channel":"${channel}","data":"hi","meta":{"uid":"u1","umd":null}}`,
    );
    const next = await ask(client, chat('mine', 'again', 'r2'));
    expect(next).toMatchObject({ channel, ref: 'r2' });
    expect(BigInt(next.data.position) > BigInt(position ?? 0)).toBe(true);
    expect(next.data.id > id).toBe(true);
  });

  it('that comes twice is delivered once: same id and place, and duplicate (vector 23)', async () => {
    const channel = newChannel();
    const [client, watcher] = await Promise.all([joined(channel), joined(channel, 1, 'u2')]);
    const first = await ask(client, chat(channel, 1, 'a'));
    const second = await ask(client, chat(channel, 2, 'a'));
    expect(first.data).toEqual({ id: expect.stringMatching(ULID), position: expect.stringMatching(/^\d+$/) });
    expect(second).toEqual({ ...first, data: { ...first.data, duplicate: true } });
    // At once, so that both are in one batch.
    client.ws.send(chat(channel, 3, 'b'));
    client.ws.send(chat(channel, 4, 'b'));
    const [third, fourth] = [await client.ws.next('hotsock.published'), await client.ws.next('hotsock.published')];
    expect(fourth.data).toEqual({ ...third.data, duplicate: true });
    expect(await told(watcher, channel)).toEqual([1, 3]);
    expect(await client.list({ channel })).toHaveLength(2);
  });

  it('is another one in another channel, of another user, and of another connection without a user', async () => {
    const channels = [newChannel(), newChannel()];
    const { alias: _alias, ...plain } = EVERYTHING;
    const connect = (uid?: string) =>
      testbed.connect({ uid, channels: Object.fromEntries(channels.map((name) => [name, plain])) });
    const clients = [await connect('u1'), await connect('u2'), await connect(), await connect()];
    for (const client of clients) for (const channel of channels) await client.subscribe(channel);
    const ids: string[] = [];
    for (const client of clients) {
      for (const channel of channels) {
        const { data } = await ask(client, chat(channel, 0, 'same'));
        expect(data.duplicate).toBeUndefined();
        ids.push(data.id);
      }
    }
    expect(new Set(ids).size).toBe(8);
    const again = await ask(clients[3] as Client, chat(channels[1] ?? '', 0, 'same'));
    expect(again.data).toMatchObject({ id: ids.at(-1), duplicate: true });
  });

  it('is known on the other gateway, to another connection of its user, and after every process was killed', async () => {
    const channel = newChannel();
    const first = await ask(await joined(channel), chat(channel, 1, 'a'));
    const duplicate = { ...first, data: { ...first.data, duplicate: true } };
    expect(await ask(await joined(channel, 1), chat(channel, 2, 'a'))).toEqual(duplicate);
    const names = ['gateway', 'gateway', 'sequencer'] as const;
    for (const name of names) {
      const app = testbed.app(name);
      testbed.apps.splice(testbed.apps.indexOf(app), 1);
      await app.kill('SIGKILL');
    }
    for (const name of names) await testbed.add(name);
    const later = await joined(channel);
    expect(await ask(later, chat(channel, 3, 'a'))).toEqual(duplicate);
    expect(await told(later, channel)).toEqual([]);
    expect((await later.list({ channel })).map(({ data }) => data)).toEqual([1]);
  });

  it('that is refused uses its ref up for nobody, and its error has the ref', async () => {
    const channel = newChannel();
    const stranger = await testbed.connect({
      uid: 'u1',
      channels: { [channel]: { ...EVERYTHING, messages: { chat: { publish: true } } } },
    });
    stranger.ws.send(`{"channel":"${channel}","event":"chat","data":"hi","ref":"a"}`);
    const { error } = await stranger.ws.next('hotsock.error');
    expect(stranger.ws.texts.at(-1)).toBe(
      `{"event":"hotsock.error","channel":"${channel}","ref":"a","error":${JSON.stringify(error)}}`,
    );
    expect(error.code).toBe('NOT_SUBSCRIBED');
    await stranger.subscribe(channel);
    expect((await ask(stranger, chat(channel, 1, 'a'))).data).toMatchObject({ id: expect.stringMatching(ULID) });
  });

  it.each<[string, object, string]>([
    ['too large', { event: 'chat', data: 'x'.repeat(33_000) }, 'DATA_TOO_LARGE'],
    ['without permission', { event: 'mute' }, 'PUBLISH_PERMISSION_DENIED'],
    ['with a wrong event', { event: 'a*' }, 'INVALID_EVENT'],
    ['without an event', {}, 'MISSING_FIELD'],
    ['in a wrong channel', { event: 'chat', channel: 'a b' }, 'INVALID_CHANNEL'],
    ['with a wrong schedule', { event: 'chat', scheduleExpression: 'never' }, 'INVALID_SCHEDULE'],
    ['a write that is not granted', { event: 'hotsock.channelStorageSet', key: 'shut' }, 'STORAGE_PERMISSION_DENIED'],
    ['a write without a key', { event: 'hotsock.channelStorageSet' }, 'INVALID_STORAGE_KEY'],
    [
      'a reaction to nothing',
      {
        event: 'hotsock.messageReaction',
        data: { messageId: '01JA3S0TNEC2QBYMZRBMCEXGNW', reaction: 'x', action: 'add' },
      },
      'MESSAGE_NOT_FOUND',
    ],
    ['a reaction that is none', { event: 'hotsock.messageReaction', data: 1 }, 'INVALID_REACTION'],
  ])('%s: the error has the ref', async (_what, request, code) => {
    const channel = newChannel();
    const client = await joined(channel);
    const answer = await ask(client, { channel, ref: 'r', ...request });
    expect(answer).toMatchObject({ event: 'hotsock.error', ref: 'r', error: { code } });
  });

  it.each([[''], ['x'.repeat(65)], ['a b'], ['ä'], ['a.b'], [7], [{}], [true], [['a']]])(
    'of %j is INVALID_TYPE, and the error has none',
    async (ref) => {
      const channel = newChannel();
      const client = await joined(channel);
      for (const event of ['chat', 'hotsock.channelStorageSet', 'hotsock.messageReaction']) {
        client.ws.send({ channel, event, key: 'k', ref });
        const { error, ...frame } = await client.ws.next('hotsock.error');
        expect([error.code, frame]).toEqual(['INVALID_TYPE', { event: 'hotsock.error', channel }]);
      }
    },
  );

  it('elsewhere is ignored, and without one nothing changes, to the byte', async () => {
    const channel = newChannel();
    const client = await joined(channel);
    client.ws.send({ event: 'hotsock.subscribe', channel, ref: 'a b' });
    await client.ws.next('hotsock.error');
    expect(client.ws.texts.at(-1)).toMatch(/^\{"event":"hotsock.error","channel":"r\d+","error":\{"code":"ALREADY/);
    client.ws.send({ channel, event: 'chat' });
    client.ws.send({ channel, event: 'chat', ref: null });
    client.ws.send({ channel, event: 'mute' });
    await client.ws.next('hotsock.error');
    expect(client.ws.texts.at(-1)).toMatch(/^\{"event":"hotsock.error","channel":"r\d+","error":\{"code":"PUBLISH/);
    await told(client, channel);
    expect(client.ws.frames.map(({ event }: Frame) => event as string)).not.toContain('hotsock.published');
  });

  it('that is due later is answered with its schedule, and parked once', async () => {
    const channel = newChannel();
    const client = await joined(channel);
    const request = { ...chat(channel, 1, 'a'), scheduleExpression };
    const first = await ask(client, request);
    expect(first.data).toEqual({ id: null, scheduleArn: expect.stringMatching(/^arn:aws:scheduler:/) });
    const second = await ask(client, request);
    expect(second).toEqual({ ...first, data: { ...first.data, duplicate: true } });
    expect((await testbed.get(`/schedules?channel=${channel}`)).json.schedules).toHaveLength(1);
  });

  it('is accepted with id null when the sequencer does not say in 2 s, and is delivered all the same', async () => {
    const channel = newChannel();
    const [client, watcher] = await Promise.all([joined(channel), joined(channel, 1, 'u2')]);
    const { pid } = testbed.app('sequencer');
    await pauseProcess(pid);
    try {
      expect((await ask(client, chat(channel, 1, 'a'))).data).toEqual({ id: null });
    } finally {
      resumeProcess(pid);
    }
    const { id } = await watcher.ws.next('chat');
    expect((await ask(client, chat(channel, 2, 'a'))).data).toMatchObject({ id, duplicate: true });
  });
});

describe('a storage write and a reaction with a ref', () => {
  it('happen once', async () => {
    const channel = newChannel();
    const [client, watcher] = await Promise.all([joined(channel), joined(channel, 1, 'u2')]);
    const write = (data: unknown, ref: string) => ({
      event: 'hotsock.channelStorageSet',
      channel,
      key: 'k',
      data,
      ref,
    });
    const first = await ask(client, write(1, 'a'));
    expect(first).toMatchObject({ channel, ref: 'a', data: { id: expect.stringMatching(ULID) } });
    await ask(client, write(2, 'b'));
    expect((await ask(client, write(3, 'a'))).data).toEqual({ ...first.data, duplicate: true });
    expect(await told(watcher, channel, 'hotsock.channelStorageUpdated')).toEqual([1, 2]);
    const later = await ask(client, { ...write(4, 'c'), scheduleExpression });
    expect(later.data).toEqual({ id: null, scheduleArn: expect.any(String) });

    const { data: message } = await ask(client, chat(channel, 'hi', 'message'));
    const react = (action: string, ref: string) =>
      ask(client, {
        ...{ event: 'hotsock.messageReaction', channel, ref },
        data: { messageId: message.id, reaction: 'x', action },
      });
    const added = await react('add', 'd');
    expect(await watcher.ws.next('hotsock.messageReactionAdded')).toMatchObject({ id: added.data.id });
    await react('remove', 'e');
    expect((await react('add', 'd')).data).toEqual({ ...added.data, duplicate: true });
    expect(await told(watcher, channel, 'hotsock.messageReactionAdded')).toHaveLength(1);
  });
});

it('Socket.IO clients get the answer as an event and as the acknowledgement', async () => {
  const channel = newChannel();
  const socket = io(testbed.app('gateway').httpUrl, {
    ...{ transports: ['websocket'], forceNew: true, reconnection: false },
    auth: { token: connectToken(claims(channel)) },
  });
  sockets.push(socket);
  const published: Frame[] = [];
  socket.on('hotsock.published', (frame: Frame) => published.push(frame));
  await socket.emitWithAck('hotsock.subscribe', { channel });
  const answer = await socket.emitWithAck('chat', { channel, data: 1, ref: 'a' });
  expect(answer).toEqual({
    ...{ event: 'hotsock.published', channel, ref: 'a' },
    data: { id: expect.stringMatching(ULID), position: expect.any(String) },
  });
  const again = await socket.emitWithAck('chat', { channel, data: 1, ref: 'a' });
  expect(again.data).toEqual({ ...answer.data, duplicate: true });
  expect(published).toEqual([answer, again]);
  expect(await socket.emitWithAck('mute', { channel, ref: 'b' })).toMatchObject({ event: 'hotsock.error', ref: 'b' });
  expect(await socket.emitWithAck('chat', { channel, data: 1 })).toEqual({ id: null, event: 'chat', channel });
});
