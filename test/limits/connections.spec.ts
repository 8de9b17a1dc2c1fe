import { setTimeout as delay } from 'node:timers/promises';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { io } from 'socket.io-client';
import { WebSocket } from 'ws';
import { eventually } from '../support/eventually';
import { type Client, connectToken, post, Testbed } from '../support/installation';
import { connect, type Frame, HandshakeRefused, WsClient } from '../support/ws-client';

/** What one connection may do (limits §1 to §4), on the wire. Most limits come with the token, so that one installation serves all. */

let testbed: Testbed;

beforeAll(async () => {
  testbed = await Testbed.start({
    HEARTH_LIMIT_CONNECTION_PUBLISH: '20,20',
    HEARTH_LIMIT_CONNECTION_SUBSCRIPTIONS: '4',
  });
});
afterAll(() => testbed.stop());

const CHANNEL = {
  subscribe: true,
  getInfo: true,
  historyStart: 0,
  messages: { '*': { publish: true, echo: true, store: 60, react: true } },
  storage: { '*': { get: true, set: true } },
};

function open(claims: Record<string, unknown> = {}): Promise<Client> {
  return testbed.connect({ uid: 'u', channels: { '*': CHANNEL }, ...claims });
}

const publish = (data: unknown, channel = 'c') => ({ event: 'e', channel, data });
const errorsTo = ({ ws }: Client): Frame[] => ws.frames.filter(({ event }) => event === 'hotsock.error');

/** Answers to as many publishes, and no further ones: the pong comes behind them. */
async function publishAll(client: Client, count: number): Promise<Frame[]> {
  const before = errorsTo(client).length;
  for (let n = 0; n < count; n++) client.ws.send(publish(n));
  client.ws.send({ event: 'hotsock.ping' });
  await client.ws.next('hotsock.pong');
  return errorsTo(client).slice(before);
}

async function metric(limit: string, answer: string): Promise<number> {
  const texts = await Promise.all(
    testbed.gateways.map(async ({ adminPort }) => (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text()),
  );
  const shape = new RegExp(`^hearth_limited_total\\{limit="${limit}",answer="${answer}"\\} (\\d+)`, 'm');
  return texts.reduce((sum, text) => sum + Number(shape.exec(text)?.[1] ?? 0), 0);
}

describe('a rate', () => {
  it('lets rate·T + burst pass at twice the rate, in order (L1)', async () => {
    const client = await open();
    await client.subscribe('c');
    const begin = performance.now();
    const last = begin + 10_000;
    let sent = 0;
    for (let now = begin; now < last; now = performance.now()) {
      while (sent < ((now - begin) / 1_000) * 40) client.ws.send(publish(sent++));
      await delay(5);
    }
    const seconds = (performance.now() - begin) / 1_000;
    client.ws.send({ event: 'hotsock.ping' });
    await client.ws.next('hotsock.pong');
    const refused = errorsTo(client);
    const datas = await eventually(() => {
      const arrived = client.ws.frames.filter(({ event }) => event === 'e').map(({ data }) => data as number);
      expect(arrived).toHaveLength(sent - refused.length);
      return arrived;
    });
    const expected = 20 * seconds + 20;
    expect(datas.length).toBeGreaterThan(expected * 0.9);
    expect(datas.length).toBeLessThan(expected * 1.1);
    expect(datas).toEqual([...datas].sort((a, b) => a - b));
    expect(await metric('connectionPublish', 'refused')).toBe(refused.length);
  });

  it('tells when one more passes (L2)', async () => {
    const client = await open({ limits: { publish: [2, 2] } });
    await client.subscribe('c');
    const [refusal, ...others] = await publishAll(client, 3);
    expect(others).toEqual([]);
    expect(refusal).toEqual({
      event: 'hotsock.error',
      channel: 'c',
      error: {
        code: 'RATE_LIMITED',
        message: expect.stringMatching(/\S/),
        limit: 'connectionPublish',
        retryAfterMs: expect.any(Number),
      },
    });
    const { retryAfterMs } = refusal.error;
    expect(retryAfterMs).toBeGreaterThanOrEqual(1);
    expect(retryAfterMs).toBeLessThanOrEqual(500);
    await delay(retryAfterMs);
    expect(await publishAll(client, 1)).toEqual([]);
  });

  it('is one for socket and HTTP (L3)', async () => {
    const client = await open({ limits: { publish: [0.01, 4], history: [0.01, 1] } });
    await client.subscribe('c');
    expect(await publishAll(client, 2)).toEqual([]);
    const answers = [];
    for (let n = 0; n < 3; n++) answers.push(await client.call('publishMessage', publish(n)));
    expect(answers.map(({ status }) => status)).toEqual([202, 202, 429]);
    const { headers, json } = answers[2] as (typeof answers)[2] & object;
    expect(json).toEqual({
      error: {
        code: 'RATE_LIMITED',
        message: expect.stringMatching(/\S/),
        limit: 'connectionPublish',
        retryAfterMs: expect.any(Number),
      },
    });
    expect(headers.get('retry-after')).toBe(String(Math.ceil(json.error.retryAfterMs / 1_000)));
    expect(headers.get('access-control-expose-headers')).toMatch(/retry-after/i);
    expect(await publishAll(client, 1)).toHaveLength(1);
    await client.list({ channel: 'c' });
    expect((await client.call('listMessages', { channel: 'c' })).json.error.limit).toBe('connectionHistory');
  });

  it.each([
    ['presence', 'connectionPresence', { event: 'hotsock.umdUpdate', data: { token: 'x' } }, 'INVALID_UMD_TOKEN'],
    ['storage', 'connectionStorage', { event: 'hotsock.channelStorageGet', channel: 'c', key: 'k' }, undefined],
    [
      'reaction',
      'connectionReaction',
      {
        event: 'hotsock.messageReaction',
        channel: 'c',
        data: { messageId: '01JA3S0TNEC2QBYMZRBMCEXGNW', reaction: 'x', action: 'add' },
      },
      'NOT_SUBSCRIBED',
    ],
    ['frames', 'connectionFrames', '{', 'MALFORMED_MESSAGE'],
  ])('counts denied and malformed operations: %s', async (claim, limit, frame, first) => {
    const client = await open({ limits: { [claim]: [0.01, 1] } });
    client.ws.send(frame);
    client.ws.send(frame);
    const refusal = await client.ws.next(({ error }) => error?.code === 'RATE_LIMITED');
    expect(refusal.error.limit).toBe(limit);
    expect(errorsTo(client).map(({ error }) => error.code)).toEqual([...(first ? [first] : []), 'RATE_LIMITED']);
  });

  it('takes nothing for what is refused, and counts joins as presence', async () => {
    const client = await open({ limits: { presence: [5, 1] } });
    await client.subscribe('presence.a');
    await client.subscribe('presence.b');
    await client.unsubscribe('presence.b');
    expect(errorsTo(client)).toEqual([]);
    expect(await metric('connectionPresence', 'delayed')).toBeGreaterThan(0);
  });

  it('is answered on Socket.IO, in acks too', async () => {
    const token = connectToken({ channels: { '*': CHANNEL }, limits: { publish: [0.01, 1] } });
    const [gateway] = testbed.gateways;
    const socket = io(gateway?.httpUrl ?? '', { auth: { token }, transports: ['websocket'], reconnection: false });
    const frames: Frame[] = [];
    socket.on('hotsock.error', (frame: Frame) => frames.push(frame));
    const ask = (event: string): Promise<Frame> => socket.timeout(10_000).emitWithAck(event, { channel: 'c' });
    await ask('hotsock.subscribe');
    await ask('e');
    const answer = await ask('e');
    expect(frames).toEqual([answer]);
    socket.disconnect();
    expect(answer.error).toMatchObject({ code: 'RATE_LIMITED', limit: 'connectionPublish' });
  });
});

it('pings of the protocol below count as frames, on Socket.IO too', async () => {
  const token = connectToken({ limits: { frames: [0.01, 3] } });
  const url = testbed.gateways[0]?.wsUrl.replace('/v1', '/socket.io/?EIO=4&transport=websocket') ?? '';
  const socket = new WebSocket(url);
  const packets: string[] = [];
  socket.on('message', (data: Buffer) => packets.push(data.toString()));
  await once(socket, 'open');
  socket.send(`40${JSON.stringify({ token })}`);
  await eventually(() => expect(packets.join()).toContain('hotsock.connected'));
  for (let n = 0; n < 4; n++) socket.ping();
  await eventually(() => expect(packets.at(-1)).toMatch(/RATE_LIMITED.*connectionFrames/));
  socket.terminate();
});

it('pings and pongs that come together are refused with one answer, and each is a strike', async () => {
  const client = await open({ limits: { frames: [0.01, 3], strikes: [0.01, 300] }, uid: 'pinging' });
  const { _socket } = client.ws.socket as unknown as { _socket: Socket };
  // Masked, and empty.
  const ponged = Buffer.from([0x8a, 0x80, 0, 0, 0, 0]);
  _socket.write(Buffer.concat(Array.from({ length: 400 }, () => ponged)));
  expect(await client.ws.closed).toEqual({ code: 4429, reason: 'RATE_LIMITED' });
  const errors = errorsTo(client);
  expect(errors.length).toBeGreaterThan(0);
  expect(errors.length).toBeLessThan(30);
});

describe('a subscribe over the rate', () => {
  it('waits for its turn, without an error (L5)', async () => {
    const client = await open({ limits: { subscribe: [20, 2], subscriptions: -1 } });
    const channels = Array.from({ length: 20 }, (_, n) => `l5.${n}`);
    const begin = performance.now();
    for (const channel of channels) client.ws.send({ event: 'hotsock.subscribe', channel });
    await eventually(() => {
      const subscribed = client.ws.frames.filter(({ event }) => event === 'hotsock.subscribed');
      expect(subscribed.map(({ channel }) => channel)).toEqual(channels);
    }, 20_000);
    expect(performance.now() - begin).toBeGreaterThan(600);
    expect(errorsTo(client)).toEqual([]);
  });

  it('ends the connection with 4429 when that would take more than 10 s', async () => {
    const client = await open({ limits: { subscribe: [0.01, 1] }, uid: 'impatient' });
    const begin = performance.now();
    await client.subscribe('a');
    client.ws.send({ event: 'hotsock.subscribe', channel: 'b' });
    expect(await client.ws.closed).toEqual({ code: 4429, reason: 'RATE_LIMITED' });
    expect(performance.now() - begin).toBeGreaterThan(9_000);
    expect(await metric('connectionSubscribe', 'closed')).toBe(1);
  });
});

describe('subscriptions', () => {
  it('have a cap', async () => {
    const client = await open();
    for (const channel of ['a', 'b', 'c', 'd']) await client.subscribe(channel);
    client.ws.send({ event: 'hotsock.subscribe', channel: 'e' });
    const refusal = {
      event: 'hotsock.error',
      channel: 'e',
      error: { code: 'LIMIT_REACHED', message: expect.any(String), limit: 'connectionSubscriptions', max: 4 },
    };
    expect(await client.ws.next('hotsock.error')).toEqual(refusal);
    await client.unsubscribe('a');
    await client.subscribe('e');
  });

  it('have it for autoSubscribe too, and a claim replaces it', async () => {
    const channels = Object.fromEntries(['a', 'b', 'c'].map((name) => [name, { autoSubscribe: true }]));
    const client = await open({ channels, limits: { subscriptions: 2 } });
    const { channel, error } = await client.ws.next('hotsock.error');
    expect([channel, error.code, error.max]).toEqual(['c', 'LIMIT_REACHED', 2]);
    expect(client.ws.frames.filter(({ event }) => event === 'hotsock.subscribed')).toHaveLength(2);
  });
});

describe('the claim limits (L4)', () => {
  it('narrows', async () => {
    const client = await open({ limits: { publish: 5 } });
    await client.subscribe('c');
    expect((await publishAll(client, 10)).length).toBeGreaterThanOrEqual(4);
  });

  it.each([[100], [[100, 100]], [-1]])('widens: %j', async (rate) => {
    const client = await open({ limits: { publish: rate } });
    await client.subscribe('c');
    expect(await publishAll(client, 100)).toEqual([]);
  });

  it('forbids with 0', async () => {
    const client = await open({ limits: { publish: 0 } });
    await client.subscribe('c');
    const [refusal] = await publishAll(client, 1);
    expect(refusal.error).toMatchObject({ code: 'LIMIT_REACHED', limit: 'connectionPublish', max: 0 });
    const overHttp = await client.call('publishMessage', publish(1));
    expect([overHttp.status, overHttp.json.error.max]).toEqual([409, 0]);
  });

  it.each([
    { publish: '5' },
    { publish: [5] },
    { publish: [5, 1.5] },
    { publish: -2 },
    { frames: true },
    { subscriptions: 1.5 },
    { subscriptions: [1, 2] },
    { uidConnections: '3' },
    5,
  ])('refuses a token with %j', async (limits) => {
    const [gateway] = testbed.gateways;
    const refused = await WsClient.open(gateway?.wsUrl ?? '', connectToken({ limits })).catch(
      (error: unknown) => error,
    );
    expect(refused).toBeInstanceOf(HandshakeRefused);
    expect((refused as HandshakeRefused).status).toBe(401);
  });

  it('ignores what it does not know', async () => {
    await (await open({ limits: { unknown: 'x', publish: null } })).subscribe('c');
  });
});

describe('bytes', () => {
  it('may be none at all', async () => {
    const client = await open({ limits: { bytes: 0 } });
    const none = { code: 'LIMIT_REACHED', limit: 'connectionBytes', max: 0 };
    for (const frame of [{ event: 'hotsock.subscribe', channel: 'c' }, publish(1)]) {
      client.ws.send(frame);
      expect((await client.ws.next('hotsock.error')).error).toMatchObject(none);
    }
    const overHttp = await client.call('listMessages', { channel: 'c' });
    expect([overHttp.status, overHttp.json.error]).toEqual([409, expect.objectContaining(none)]);
  });

  it('are read no faster than allowed, and nothing is lost', async () => {
    const client = await open({ limits: { publish: -1, bytes: [100_000, 60_000] } });
    await client.subscribe('c');
    const begin = performance.now();
    const data = 'x'.repeat(20_000);
    for (let n = 0; n < 13; n++) client.ws.send(publish(data));
    client.ws.send({ event: 'hotsock.ping' });
    await client.ws.next('hotsock.pong', 20_000);
    // 260 kB less the burst and what is read at once from a socket at most (64 KiB): 135 kB have to wait, at 100 a second.
    expect(performance.now() - begin).toBeGreaterThan(1_300);
    expect(errorsTo(client)).toEqual([]);
    expect(await metric('connectionBytes', 'delayed')).toBeGreaterThan(0);
  });
});

describe('who goes on', () => {
  it('is closed with 4429, and its uid is refused for 10 s from that address (L8)', async () => {
    const [gateway] = testbed.gateways;
    const url = gateway?.wsUrl ?? '';
    const claims = { channels: { '*': CHANNEL }, limits: { publish: [0.01, 1], strikes: [1, 3] } };
    const closedBefore = await metric('connectionStrikes', 'closed');
    const client = await open({ ...claims, uid: 'goes-on' });
    await client.subscribe('c');
    for (let n = 0; n < 20; n++) client.ws.send(publish(n));
    expect(await client.ws.closed).toEqual({ code: 4429, reason: 'RATE_LIMITED' });
    expect(await metric('connectionStrikes', 'closed')).toBe(closedBefore + 1);

    const again = connectToken({ ...claims, uid: 'goes-on' });
    const refused = (await WsClient.open(url, again).catch((error: unknown) => error)) as HandshakeRefused;
    expect(refused.status).toBe(429);
    expect(JSON.parse(refused.body)).toMatchObject({ error: { code: 'RATE_LIMITED', limit: 'connectionStrikes' } });
    expect(Number(refused.headers['retry-after'])).toBeGreaterThanOrEqual(1);
    const asked = await WsClient.open(`${url}?closeReason=1&token=${again}`);
    expect(await asked.closed).toEqual({ code: 4429, reason: 'RATE_LIMITED' });
    await connect(url, connectToken({ ...claims, uid: 'somebody-else' }));
    await eventually(() => connect(url, again), 20_000);
  });

  it('over HTTP, too', async () => {
    const client = await open({ uid: 'over-http', limits: { publish: [0.01, 1], strikes: [1, 2] } });
    for (let n = 0; n < 8; n++) await post(`${client.url}publishMessage${client.query}`, publish(n));
    expect(await client.ws.closed).toEqual({ code: 4429, reason: 'RATE_LIMITED' });
  });
});

describe('turns', () => {
  const UNLIMITED = { publish: -1, frames: -1, bytes: -1, strikes: -1 };

  it('let one message by that comes after a flood of others, stored or not', async () => {
    const stored = { '*': { subscribe: true, messages: { '*': { publish: true, store: 600 } } } };
    const flooders = await Promise.all(
      [0, 1, 2, 3].map((n) => open({ uid: `f${n}`, channels: stored, limits: UNLIMITED })),
    );
    const observer = await open({ uid: 'observer', limits: { subscriptions: -1 } });
    const [quiet, ...channels] = ['quiet', ...flooders.map((_, n) => `flood.${n}`)];
    for (const channel of [quiet, ...channels]) await observer.subscribe(channel);
    flooders.forEach(({ ws }, n) => ws.send({ event: 'hotsock.subscribe', channel: channels[n] }));
    const count = 4_000;
    for (let n = 0; n < count; n++)
      for (const [index, { ws }] of flooders.entries()) ws.send(publish(n, channels[index]));
    const client = await open({ uid: 'quiet' });
    await client.subscribe(quiet);
    const arrived = (): number => observer.ws.frames.filter(({ event }) => event === 'e').length;
    const before = arrived();
    client.ws.send({ event: 'quiet', channel: quiet });
    await observer.ws.next('quiet', 60_000);
    // All that was ahead of it was sent before; next to nothing of that had to be waited for.
    const passed = observer.ws.frames.findIndex(({ event }) => event === 'quiet');
    expect(observer.ws.frames.slice(0, passed).filter(({ event }) => event === 'e').length - before).toBeLessThan(
      2_000,
    );
    await eventually(() => expect(arrived()).toBe(4 * count), 120_000);
    for (const channel of channels) {
      const datas = observer.ws.frames
        .filter((one) => one.event === 'e' && one.channel === channel)
        .map(({ data }) => data);
      expect(datas).toEqual(Array.from({ length: count }, (_, n) => n));
    }
  });

  it('tell of a member that comes and goes all the time four times a second at most, and truly in the end', async () => {
    const observer = await open({ uid: 'o' });
    await observer.subscribe('presence.flap');
    const client = await open({ uid: 'flaps', limits: { subscribe: -1, presence: -1, frames: -1 } });
    const begin = performance.now();
    for (let n = 0; n < 100; n++) {
      client.ws.send({ event: 'hotsock.subscribe', channel: 'presence.flap' });
      client.ws.send({ event: 'hotsock.unsubscribe', channel: 'presence.flap' });
    }
    await eventually(() => {
      const left = client.ws.frames.filter(({ event }) => event === 'hotsock.unsubscribed');
      expect(left).toHaveLength(100);
      expect(observer.ws.frames.at(-1)?.data.members).toEqual([{ uid: 'o', umd: null }]);
    });
    const seconds = (performance.now() - begin) / 1_000;
    const told = observer.ws.frames.filter(({ event }) => event.startsWith('hotsock.member'));
    expect(told.length).toBeLessThanOrEqual(50 + 4 * seconds + 4);
  });
});
