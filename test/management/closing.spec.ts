import { io } from 'socket.io-client';
import { connectToken, subscribeToken, Testbed } from '../support/installation';
import { eventually } from '../support/eventually';
import { pauseProcess, resumeProcess } from '../support/pause-process';
import { connect, type Frame, HandshakeRefused, WsClient } from '../support/ws-client';
import { ADMIN_TOKEN, Manager } from './manager';

/** Sending clients away, over two gateways (management-api §3, §6). */
let testbed: Testbed;
let manager: Manager;

beforeAll(async () => {
  testbed = await Testbed.start({ HEARTH_ADMIN_TOKEN: ADMIN_TOKEN });
  manager = new Manager(testbed);
});
afterAll(() => testbed?.stop());

type Gateway = 0 | 1;
const GATEWAYS: readonly Gateway[] = [0, 1];
const tokenFor = (claims: Record<string, unknown>): string =>
  connectToken({ channels: { '*': { subscribe: true } }, ...claims });
const urlOf = (gateway: Gateway): string => testbed.gateways[gateway]!.wsUrl;

async function open(gateway: Gateway, claims: Record<string, unknown>, ...channels: string[]): Promise<WsClient> {
  const client = await connect(urlOf(gateway), tokenFor(claims));
  for (const channel of channels) await subscribe(client, channel);
  return client;
}

async function subscribe(client: WsClient, channel: string, token?: string): Promise<Frame> {
  client.send({ event: 'hotsock.subscribe', channel, data: { token } });
  return client.next(
    (frame) => ['hotsock.subscribed', 'hotsock.error'].includes(frame.event) && frame.channel === channel,
  );
}

/** `101`, or what the handshake is answered. */
async function handshake(gateway: Gateway, token: string): Promise<unknown> {
  try {
    const client = await connect(urlOf(gateway), token);
    await client.close();
    return 101;
  } catch (error) {
    if (!(error instanceof HandshakeRefused)) throw error;
    return [error.status, JSON.parse(error.body).error.code];
  }
}

const REFUSED = [403, 'INVALID_CONNECT_TOKEN'];
const idOf = (client: WsClient): string => client.frames[0].data.connectionId;

/** It still answers. */
async function expectOpen(client: WsClient): Promise<void> {
  client.send({ event: 'hotsock.ping' });
  await client.next('hotsock.pong');
}

describe('POST /disconnect', () => {
  it('closes all connections of a uid but for those that stay, and says why', async () => {
    const [first, second, stays] = [
      await open(0, { uid: 'd1' }),
      await open(1, { uid: 'd1' }),
      await open(0, { uid: 'd1' }),
    ];
    const other = await open(1, { uid: 'd1-other' });
    const body = { uid: 'd1', except: [idOf(stays)], reason: 'Signed out' };
    const { status, json } = await manager.post('/disconnect', body);
    expect([status, json]).toEqual([200, { disconnected: 2, complete: true, refusedUntil: null }]);
    const closed = { code: 4403, reason: 'Signed out' };
    expect([await first.closed, await second.closed]).toEqual([closed, closed]);
    await expectOpen(stays);
    await expectOpen(other);
    // Nobody is left, and nobody is refused.
    const again = await manager.post('/disconnect', body);
    expect(again.json).toEqual({ disconnected: 0, complete: true, refusedUntil: null });
    for (const gateway of GATEWAYS) expect(await handshake(gateway, tokenFor({ uid: 'd1' }))).toBe(101);
  });

  it('takes the credentials of the client HTTP API away, on every node', async () => {
    const client = await testbed.connect({ uid: 'd2', channels: { c: { subscribe: true } } });
    await client.subscribe('c');
    expect((await client.call('listMessages', { channel: 'c' })).status).toBe(200);
    await manager.post('/disconnect', { connectionId: client.id });
    expect((await client.call('listMessages', { channel: 'c' })).status).toBe(401);
    expect(await client.ws.closed).toEqual({ code: 4403, reason: 'Disconnected' });
  });

  it('asks a client back with another token, if told so', async () => {
    const client = await open(1, { uid: 'd3', jti: 'd3-token' });
    const { json } = await manager.post('/disconnect', { jti: 'd3-token', reconnect: true, reason: 'New rights' });
    expect(json.disconnected).toBe(1);
    expect(await client.closed).toEqual({ code: 4401, reason: 'New rights' });
  });

  it.each<[string, (token: string, client: WsClient) => object, Record<string, unknown>]>([
    ['uid', () => ({ uid: 'r1' }), { uid: 'r1' }],
    ['jti', () => ({ jti: 'r2-token' }), { uid: 'r2', jti: 'r2-token' }],
    ['channel', () => ({ channel: 'r3' }), { uid: 'r3' }],
    ['connectionId', (_token, client) => ({ connectionId: idOf(client) }), {}],
  ])(
    'by %s, with refuseFor, keeps the token out on both gateways until the time is over',
    async (_name, body, claims) => {
      const token = tokenFor(claims);
      const client = await connect(urlOf(0), token);
      await subscribe(client, 'r3');
      const other = await open(1, { uid: 'r-other' }, 'r4');
      const { json } = await manager.post('/disconnect', { ...body(token, client), refuseFor: 2 });
      expect(json).toEqual({ disconnected: 1, complete: true, refusedUntil: expect.any(String) });
      expect((await client.closed).code).toBe(4403);
      for (const gateway of GATEWAYS) expect(await handshake(gateway, token)).toEqual(REFUSED);
      await eventually(async () => {
        for (const gateway of GATEWAYS) expect(await handshake(gateway, token)).toBe(101);
        expect(Date.now()).toBeGreaterThan(Date.parse(json.refusedUntil) - 100);
      });
      await expectOpen(other);
    },
  );

  it('uses up no single-use token that is refused', async () => {
    const token = tokenFor({ uid: 's1', jti: 's1-token', singleUse: true });
    const { json } = await manager.post('/disconnect', { uid: 's1', refuseFor: 1 });
    expect(await handshake(0, token)).toEqual(REFUSED);
    expect(Date.parse(json.refusedUntil)).toBeGreaterThan(0);
    await eventually(async () => expect(await handshake(1, token)).toBe(101));
    expect(await handshake(0, token)).toEqual([403, 'INVALID_CONNECT_TOKEN']);
  });

  it('closes a thousand connections of a channel, and nothing is left of them', async () => {
    const tokens = Array.from({ length: 1_000 }, (_, n) =>
      tokenFor({ uid: `m9-${n}`, channels: { m9: { autoSubscribe: true } } }),
    );
    const clients = await Promise.all(tokens.map((token, n) => WsClient.open(urlOf(n % 2 === 0 ? 0 : 1), token)));
    await Promise.all(clients.map((client) => client.next('hotsock.subscribed')));
    const { json } = await manager.post('/disconnect', { channel: 'm9', refuseFor: 600 });
    // On a machine that is too busy a gateway may not be done within a second, and then nothing is promised.
    if (json.complete) expect(json.disconnected).toBe(1_000);
    const codes = await Promise.all(clients.map(async (client) => (await client.closed).code));
    expect(new Set(codes)).toEqual(new Set([4403]));
    await eventually(async () => expect((await testbed.channel('m9')).subscriptionsCount).toBe(0));
    expect((await manager.get('/channels?prefix=m9')).json.channels).toEqual([]);
    for (const n of json.complete ? [0, 1, 999] : [])
      expect(await handshake(n % 2 === 0 ? 1 : 0, tokens[n]!)).toEqual(REFUSED);
  });

  it('is about those who were there, however soon they come back with other tokens', async () => {
    const [paused, count] = [testbed.gateways[1]!, 20];
    const comeBack = async (n: number): Promise<void> => {
      for (let time = 0; !isOver; time++) {
        const claims = { uid: `m10-${n}`, jti: `m10-${n}-${time}`, channels: { m10: { autoSubscribe: true } } };
        await (
          await WsClient.open(urlOf(0), tokenFor(claims))
        ).closed;
      }
    };
    let isOver = false;
    const coming = Promise.all(Array.from({ length: count }, (_, n) => comeBack(n)));
    try {
      await eventually(async () => expect((await testbed.channel('m10')).subscriptionsCount).toBe(count));
      // Which is waited for, so that they have the time.
      await pauseProcess(paused.pid);
      const { status, json } = await manager.post('/disconnect', { channel: 'm10', refuseFor: 600 });
      expect([status, json.disconnected, json.complete]).toEqual([200, count, false]);
    } finally {
      isOver = true;
      resumeProcess(paused.pid);
      await eventually(async () =>
        expect((await manager.post('/disconnect', { channel: 'm10' })).json.complete).toBe(true),
      );
      await coming;
    }
  });

  it('tells a client of Socket.IO, which sees no close code, by a frame', async () => {
    const socket = io(testbed.gateways[0]!.httpUrl, {
      transports: ['websocket'],
      forceNew: true,
      reconnection: false,
      auth: { token: tokenFor({ uid: 'io' }) },
    });
    const told = new Promise((resolve) => socket.on('hotsock.error', resolve));
    const gone = new Promise((resolve) => socket.on('disconnect', resolve));
    await new Promise((resolve) => socket.on('hotsock.connected', resolve));
    await manager.post('/disconnect', { uid: 'io', reason: 'Bye' });
    const error = { code: 'DISCONNECTED', message: 'Bye' };
    expect(await told).toEqual(expect.objectContaining({ error }));
    await gone;
    socket.disconnect();
  });
});

describe('DELETE /connections/{id}', () => {
  it('closes it, with a reason', async () => {
    const client = await open(1, { uid: 'x1' });
    const path = `/connections/${encodeURIComponent(idOf(client))}`;
    const { status, text } = await manager.call('DELETE', `${path}?reason=Too%20loud`);
    expect([status, text]).toEqual([204, '']);
    expect(await client.closed).toEqual({ code: 4403, reason: 'Too loud' });
    expect((await manager.call('DELETE', path)).status).toBe(404);
    for (const id of ['x', 'AAAAAAAAAAAAAAA=']) {
      expect((await manager.call('DELETE', `/connections/${id}`)).status).toBe(404);
    }
  });
});

describe('POST /unsubscribe', () => {
  it('ends the subscriptions of a uid in one channel, and refuses them for a minute', async () => {
    const here = await open(0, { uid: 'u1' }, 'presence.q', 'other');
    const there = await open(1, { uid: 'u1' }, 'presence.q');
    const watcher = await open(1, { uid: 'u2' }, 'presence.q');
    const since = Date.now();
    const { status, json } = await manager.post('/unsubscribe', { channel: 'presence.q', uid: 'u1' });
    expect([status, json]).toEqual([200, { unsubscribed: 2, complete: true, refusedUntil: expect.any(String) }]);
    expect(Date.parse(json.refusedUntil) - since).toBeGreaterThan(55_000);
    expect(Date.parse(json.refusedUntil) - since).toBeLessThan(120_000);
    for (const client of [here, there]) {
      const frame = await client.next('hotsock.unsubscribed');
      expect(frame).toMatchObject({ channel: 'presence.q' });
      expect((await subscribe(client, 'presence.q')).error.code).toBe('SUBSCRIBE_PERMISSION_DENIED');
    }
    expect((await watcher.next('hotsock.memberRemoved')).data.member.uid).toBe('u1');
    // Its other channels go on, and so do others in this one.
    await testbed.publish({ channel: 'other', event: 'e' }, { channel: 'presence.q', event: 'e' });
    await Promise.all([here.next('e'), watcher.next('e')]);
    expect(there.frames.filter(({ event }) => event === 'e')).toEqual([]);

    const channels = { 'presence.q': { autoSubscribe: true }, fine: { autoSubscribe: true } };
    const back = await open(0, { uid: 'u1', channels });
    expect((await back.next('hotsock.error')).error.code).toBe('SUBSCRIBE_PERMISSION_DENIED');
    expect((await back.next('hotsock.subscribed')).channel).toBe('fine');
  });

  it('finds subscriptions by the uid of their own token', async () => {
    const client = await open(0, {});
    const claims = { connectionId: idOf(client), uid: 'own', channels: { t: { subscribe: true } } };
    await subscribe(client, 't', subscribeToken(claims));
    const { json } = await manager.post('/unsubscribe', { channel: 't', uid: 'own' });
    expect(json.unsubscribed).toBe(1);
    await client.next('hotsock.unsubscribed');
    const refused = await subscribe(client, 't', subscribeToken(claims));
    expect(refused.error.code).toBe('SUBSCRIBE_PERMISSION_DENIED');
    expect((await subscribe(client, 't')).event).toBe('hotsock.subscribed');
  });

  it('of one connection leaves the others of its user, and refuses nothing when told so', async () => {
    const [one, other] = [await open(0, { uid: 'u3' }, 'v'), await open(0, { uid: 'u3' }, 'v')];
    const body = { channel: 'v', connectionId: idOf(one), refuseFor: 0 };
    expect((await manager.post('/unsubscribe', body)).json).toEqual({
      unsubscribed: 1,
      complete: true,
      refusedUntil: null,
    });
    await one.next('hotsock.unsubscribed');
    expect((await subscribe(one, 'v')).event).toBe('hotsock.subscribed');
    await manager.post('/unsubscribe', { ...body, refuseFor: 1 });
    expect((await subscribe(one, 'v')).error.code).toBe('SUBSCRIBE_PERMISSION_DENIED');
    await eventually(async () => expect((await subscribe(one, 'v')).event).toBe('hotsock.subscribed'));
    await expectOpen(other);
    expect(other.frames.filter(({ event }) => event === 'hotsock.unsubscribed')).toEqual([]);
  });
});

describe('what is refused', () => {
  it('is refused by a gateway that starts later, too', async () => {
    await manager.post('/disconnect', { uid: 'late', refuseFor: 600 });
    const gateway = await testbed.add('gateway');
    await expect(connect(gateway.wsUrl, tokenFor({ uid: 'late' }))).rejects.toThrow(/answered with 403/);
    const client = await connect(gateway.wsUrl, tokenFor({ uid: 'late-other' }));
    await client.close();
    await gateway.stop();
    testbed.apps.splice(testbed.apps.indexOf(gateway), 1);
  });

  it('is not promised while a gateway does not answer, which then hears of it by itself', async () => {
    const paused = testbed.gateways[1]!;
    const [here, there] = [await open(0, { uid: 'p1' }), await open(1, { uid: 'p1' })];
    const token = tokenFor({ uid: 'p2' });
    const inChannel = await connect(urlOf(1), token);
    await subscribe(inChannel, 'p');
    await pauseProcess(paused.pid);
    try {
      const since = performance.now();
      const { status, json } = await manager.post('/disconnect', { uid: 'p1', refuseFor: 600 });
      expect([status, json.disconnected, json.complete]).toEqual([200, 1, false]);
      expect((await manager.call('DELETE', `/connections/${idOf(there)}`)).status).toBe(503);
      expect((await manager.post('/disconnect', { channel: 'p', refuseFor: 600 })).json.complete).toBe(false);
      // Each has a second.
      expect(performance.now() - since).toBeLessThan(20_000);
    } finally {
      resumeProcess(paused.pid);
    }
    expect((await here.closed).code).toBe(4403);
    expect((await there.closed).code).toBe(4403);
    await eventually(async () => expect(await handshake(1, tokenFor({ uid: 'p1' }))).toEqual(REFUSED));
    // The tokens of those who were in a channel are known to it alone, and are refused everywhere.
    expect((await inChannel.closed).code).toBe(4403);
    await eventually(async () => {
      for (const gateway of GATEWAYS) expect(await handshake(gateway, token)).toEqual(REFUSED);
    });
    // Whoever comes into the channel later is not meant.
    const later = await open(1, { uid: 'p3' }, 'p');
    await eventually(async () => expect((await manager.post('/disconnect', { uid: 'p4' })).json.complete).toBe(true));
    await expectOpen(later);
  });
});

describe('a request that says not exactly whom', () => {
  it.each<[string, object, string, string]>([
    ['/disconnect', {}, 'MISSING_FIELD', 'uid'],
    ['/disconnect', { uid: null }, 'MISSING_FIELD', 'uid'],
    ['/disconnect', { uid: 'a', jti: 'b' }, 'INVALID_SELECTOR', 'jti'],
    ['/disconnect', { user: 'a', uid: 'b' }, 'UNKNOWN_FIELD', 'user'],
    ['/disconnect', { uid: '' }, 'INVALID_TYPE', 'uid'],
    ['/disconnect', { uid: 7 }, 'INVALID_TYPE', 'uid'],
    ['/disconnect', { channel: 'a b' }, 'INVALID_CHANNEL', 'channel'],
    ['/disconnect', { uid: 'a', reason: 'x'.repeat(101) }, 'INVALID_TYPE', 'reason'],
    ['/disconnect', { uid: 'a', except: 'c' }, 'INVALID_TYPE', 'except'],
    ['/disconnect', { uid: 'a', except: Array(101).fill('c') }, 'INVALID_TYPE', 'except'],
    ['/disconnect', { uid: 'a', refuseFor: -1 }, 'INVALID_TYPE', 'refuseFor'],
    ['/disconnect', { uid: 'a', refuseFor: 86_401 }, 'INVALID_TYPE', 'refuseFor'],
    ['/disconnect', { uid: 'a', refuseFor: 1.5 }, 'INVALID_TYPE', 'refuseFor'],
    ['/disconnect', { uid: 'a', reconnect: 1 }, 'INVALID_TYPE', 'reconnect'],
    ['/disconnect', [], 'MALFORMED_MESSAGE', 'body'],
    ['/disconnect?uid=a', { uid: 'a' }, 'UNKNOWN_FIELD', 'uid'],
    ['/unsubscribe', { uid: 'a' }, 'MISSING_FIELD', 'channel'],
    ['/unsubscribe', { channel: 'c' }, 'MISSING_FIELD', 'uid'],
    ['/unsubscribe', { channel: '', uid: 'a' }, 'INVALID_CHANNEL', 'channel'],
    ['/unsubscribe', { channel: 'c', uid: 'a', connectionId: 'b' }, 'INVALID_SELECTOR', 'connectionId'],
    ['/unsubscribe', { channel: 'c', uid: 'a', except: [] }, 'UNKNOWN_FIELD', 'except'],
  ])('%s %j is refused: %s', async (path, body, code, name) => {
    const { status, json } = await manager.post(path, body);
    expect([status, json.error.code]).toEqual([400, code]);
    expect(json.error.message).toContain(name);
  });

  it('or from nobody in particular, does nothing', async () => {
    const client = await open(0, { uid: 'safe' });
    for (const token of ['', 'wrong']) {
      expect((await manager.as(token).post('/disconnect', { uid: 'safe' })).status).toBe(401);
      expect((await manager.as(token).post('/unsubscribe', { channel: 'c', uid: 'safe' })).status).toBe(401);
      expect((await manager.as(token).call('DELETE', `/connections/${idOf(client)}`)).status).toBe(401);
    }
    expect((await manager.call('DELETE', `/connections/${idOf(client)}?why=x`)).status).toBe(400);
    await expectOpen(client);
  });
});
