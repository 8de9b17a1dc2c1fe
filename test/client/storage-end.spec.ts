import { HearthClient } from '@hearth/client';
import { io, type Socket } from 'socket.io-client';
import { WebSocket } from 'ws';
import { connectToken, Testbed } from '../support/installation';
import { eventually } from '../support/eventually';
import { type Frame, WsClient } from '../support/ws-client';

/** How a client is told where the storage snapshot of a channel ends, on the wire (client-library §7). */
let testbed: Testbed;
const sockets: Socket[] = [];

beforeAll(async () => {
  testbed = await Testbed.start();
});
afterAll(async () => {
  for (const socket of sockets) socket.disconnect();
  await testbed?.stop();
});

const SYNCED = 'hotsock.channelStorageSynced';
const EVERYTHING = { subscribe: true, alias: 'mine', historyStart: 0, storage: { '*': { observe: true } } };

let number = 0;
const newChannel = () => `e${++number}`;
const claims = (channel: string, more: object = {}, uid = 'u1') => ({
  uid,
  channels: { [channel]: { ...EVERYTHING, ...more } },
});

/** A Socket.IO client. */
function openSocket(token: string, transport: string, auth: object = {}): Socket {
  const socket = io(testbed.app('gateway').httpUrl, {
    ...{ transports: [transport], forceNew: true, reconnection: false },
    auth: { token, ...auth },
  });
  sockets.push(socket);
  return socket;
}

describe('hotsock.channelStorageSynced', () => {
  const subscribe = (channel: string, storage: unknown) => ({ event: 'hotsock.subscribe', channel, data: { storage } });

  it('ends the storage snapshot of a client that asked for it', async () => {
    const channel = newChannel();
    const write = (key: string, data: unknown) => ({ event: 'hotsock.channelStorageSet', channel, key, data });
    await testbed.publish(write('a', 1), write('b', 2), write('gone', 1), write('gone', null));
    const client = await testbed.connect(claims(channel), testbed.gateways[1]);
    client.ws.send(subscribe(channel, true));
    await client.ws.next(SYNCED);
    expect(client.ws.frames.slice(1).map(({ event, key }) => key ?? event)).toEqual([
      'hotsock.subscribed',
      'a',
      'b',
      SYNCED,
    ]);
    expect(client.ws.texts.at(-1)).toBe(`{"event":"hotsock.channelStorageSynced","channel":"${channel}","data":{}}`);
  });

  it.each(['websocket', 'polling'])('ends it for a client of Socket.IO that asked, over %s', async (transport) => {
    const channel = newChannel();
    const write = (key: string, data: unknown) => ({ event: 'hotsock.channelStorageSet', channel, key, data });
    await testbed.publish(write('a', 1), write('b', 2));
    const socket = openSocket(connectToken(claims(channel)), transport);
    const events: unknown[] = [];
    socket.onAny((event: string, frame: Frame) => events.push([event, frame.key ?? frame.data]));
    const { data } = await socket.emitWithAck('hotsock.subscribe', { channel, data: { storage: true } });
    const story = (from: number) =>
      eventually(() => {
        expect(events.at(-1)).toEqual([SYNCED, {}]);
        return events.slice(from);
      });
    const snapshot = [
      ['hotsock.subscribed', data],
      ['hotsock.channelStorageUpdated', 'a'],
      ['hotsock.channelStorageUpdated', 'b'],
      [SYNCED, {}],
    ];
    expect(await story(1)).toEqual(snapshot);
    await socket.emitWithAck('hotsock.unsubscribe', { channel });
    const before = events.length;
    // Whoever does not ask is not told of it: the next that comes is of the one who asks again.
    await socket.emitWithAck('hotsock.subscribe', { channel });
    await socket.emitWithAck('hotsock.unsubscribe', { channel });
    await socket.emitWithAck('hotsock.subscribe', { channel, data: { storage: true } });
    const all = await story(before);
    expect(all.filter((one) => JSON.stringify(one).includes('Synced'))).toHaveLength(1);
    expect(all.slice(-snapshot.length)).toEqual(snapshot);
  });

  it('comes when there is nothing to observe, with resume and without, and not to others', async () => {
    const channel = newChannel();
    const plain = { uid: 'u1', channels: { [channel]: { subscribe: true } } };
    const client = await testbed.connect(plain);
    client.ws.send({ event: 'hotsock.subscribe', channel, data: { storage: true, resume: true } });
    await client.ws.next(SYNCED);
    await client.unsubscribe(channel);
    for (const storage of [false, null]) {
      client.ws.send(subscribe(channel, storage));
      await client.ws.next('hotsock.subscribed');
      await client.unsubscribe(channel);
    }
    client.ws.send(subscribe(channel, 'yes'));
    expect((await client.ws.next('hotsock.error')).error.code).toBe('INVALID_TYPE');
    expect(client.ws.frames.filter(({ event }) => event === SYNCED)).toHaveLength(1);
  });

  describe('of a channel that the token subscribes', () => {
    const auto = (channel: string) => connectToken(claims(channel, { autoSubscribe: true }));
    const open = (channel: string, resume: unknown) =>
      WsClient.open(
        `${testbed.app('gateway').wsUrl}?token=${auto(channel)}&resume=${Buffer.from(JSON.stringify(resume)).toString('base64url')}`,
      );
    const eventsOf = ({ frames }: WsClient) => frames.slice(1).map(({ event, key }) => (key ?? event) as string);

    it('comes where the connect URL asks for it, by name or alias, and is promised', async () => {
      const channel = `presence.${newChannel()}`;
      const empty = await open(channel, { [channel]: { storage: true } });
      const { data } = await empty.next('hotsock.subscribed');
      expect(Object.keys(data)).toEqual(['autoSubscribed', 'resume', 'storage', 'members']);
      expect(data).toMatchObject({ storage: true, resume: { token: expect.any(String) } });
      await empty.next(SYNCED);
      expect(eventsOf(empty)).toEqual(['hotsock.subscribed', SYNCED]);
      await empty.close();
      await testbed.publish({ channel, event: 'e' });
      await testbed.publish({ event: 'hotsock.channelStorageSet', channel, key: 'k', data: 1 });
      const again = await open(channel, { mine: { token: data.resume.token, storage: true } });
      await again.next(SYNCED);
      expect(eventsOf(again)).toEqual(['hotsock.subscribed', 'e', 'k', SYNCED]);
    });

    it('comes behind the last page of many entries', async () => {
      const channel = newChannel();
      const set = (key: string) => ({ event: 'hotsock.channelStorageSet', channel, key, data: 1 });
      const keys = Array.from({ length: 1_001 }, (_, n) => `k${1_000 + n}`);
      await testbed.publish(...keys.map(set));
      const client = await open(channel, { [channel]: { storage: true } });
      await client.next(SYNCED);
      expect(eventsOf(client)).toEqual(['hotsock.subscribed', ...keys, SYNCED]);
    });

    it('does not come to others, and their bytes are those of ever', async () => {
      const channel = newChannel();
      for (const point of [undefined, true, {}, { storage: false }, { storage: null }]) {
        const client = await open(channel, { [channel]: point });
        const { data } = await client.next('hotsock.subscribed');
        expect(client.texts.at(-1)).toBe(
          `{"event":"hotsock.subscribed","channel":"${channel}","data":{"autoSubscribed":true,"resume":{"token":"${data.resume.token}"}},"meta":{"channelAlias":"mine","uid":"u1","umd":null}}`,
        );
        await testbed.publish({ channel, event: 'e' });
        await client.next('e');
        expect(eventsOf(client)).toEqual(['hotsock.subscribed', 'e']);
        await client.close();
      }
      const wrong = await open(channel, { [channel]: { storage: 'yes' } });
      expect((await wrong.next('hotsock.subscribed')).data).toEqual({
        autoSubscribed: true,
        resume: { complete: false, token: expect.any(String) },
      });
    });

    it.each(['websocket', 'polling'])('comes to a client of Socket.IO whose auth asks, over %s', async (transport) => {
      const channel = newChannel();
      const socket = openSocket(auto(channel), transport, { resume: { mine: { storage: true } } });
      const events: unknown[] = [];
      socket.onAny((event: string, { data }: Frame) => events.push([event, data?.storage]));
      await eventually(() =>
        expect(events.slice(1)).toEqual([
          ['hotsock.subscribed', true],
          [SYNCED, undefined],
        ]),
      );
    });

    it('is what @hearth/client asks for: others see it come to a presence channel without entries, and not leave', async () => {
      const channel = `presence.${newChannel()}`;
      const other = await testbed.connect(claims(channel, {}, 'u2'));
      await other.subscribe(channel);
      const options = { connectTokenFn: () => auto(channel), WebSocket };
      const client = new HearthClient(testbed.app('gateway').wsUrl, options);
      try {
        const { storage } = client.channel(channel);
        storage.subscribe(() => undefined);
        await eventually(() => expect(storage.synced).toBe(true));
        await testbed.publish({ channel, event: 'end' });
        await other.ws.next('end');
        const told = other.ws.frames.filter(({ event }) => event.startsWith('hotsock.member'));
        expect(told.map(({ event }) => event as string)).toEqual(['hotsock.memberAdded']);
      } finally {
        client.terminate();
      }
    });
  });

  it.each([
    ['its name', false],
    ['its alias', false],
    ['its name', true],
    ['its alias', true],
  ])('is asked for once by @hearth/client that looks later, by %s (autoSubscribe: %s)', async (by, autoSubscribe) => {
    const real = newChannel();
    await testbed.publish({ event: 'hotsock.channelStorageSet', channel: real, key: 'k', data: 1 });
    const token = connectToken(claims(real, { autoSubscribe }));
    const client = new HearthClient(testbed.app('gateway').wsUrl, { connectTokenFn: () => token, WebSocket });
    const unsubscribed: unknown[] = [];
    client.bind('@@messageSent', (text) => String(text).includes('unsubscribe') && unsubscribed.push(text));
    try {
      const channel = client.channel(by === 'its name' ? real : 'mine');
      let isEnd = false;
      channel.on('end', () => (isEnd = true));
      await channel.ready();
      const { storage } = channel;
      await eventually(() => expect([storage.synced, storage.get('k')]).toEqual([true, 1]));
      await testbed.publish({ channel: real, event: 'end' });
      await eventually(() => expect(isEnd).toBe(true));
      expect(unsubscribed).toHaveLength(1);
    } finally {
      client.terminate();
    }
  });
});
