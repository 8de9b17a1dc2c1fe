import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { io } from 'socket.io-client';
import { hearth } from '../cli/hearth-command';
import { eventually } from '../support/eventually';
import { connectToken, subscribeToken, Testbed, umdToken } from '../support/installation';
import { pauseProcess, resumeProcess } from '../support/pause-process';
import { signToken } from '../support/tokens';
import { connect, type Frame, HandshakeRefused, WsClient } from '../support/ws-client';
import { ADMIN_TOKEN, Manager } from './manager';

/** Taking tokens back, over two gateways (management-api §4). */
const SECOND = randomBytes(32);
let testbed: Testbed;
let manager: Manager;

beforeAll(async () => {
  testbed = await Testbed.start({
    HEARTH_ADMIN_TOKEN: ADMIN_TOKEN,
    HEARTH_SIGNING_KEY_2_ENCODED: SECOND.toString('base64'),
    HEARTH_SIGNING_KEY_2_ID: 'second',
    HEARTH_REVOCATION_KEEP_SECONDS: '3600',
  });
  manager = new Manager(testbed);
});
afterAll(() => testbed?.stop());

const tokenFor = (claims: Record<string, unknown>): string =>
  connectToken({ channels: { '*': { subscribe: true } }, ...claims });
const urlOf = (gateway: number): string => testbed.gateways[gateway]!.wsUrl;
const now = (): number => Date.now() / 1_000;

/** `101`, or what the handshake is answered. */
async function handshake(gateway: number, token: string): Promise<unknown> {
  try {
    const client = await connect(urlOf(gateway), token);
    await client.close();
    return 101;
  } catch (error) {
    if (!(error instanceof HandshakeRefused)) throw error;
    const { code, reason } = JSON.parse(error.body).error;
    return [error.status, code, reason];
  }
}

/** Of both gateways, which answer alike. */
async function handshakes(token: string): Promise<unknown> {
  const answers = [await handshake(0, token), await handshake(1, token)];
  expect(answers[1]).toEqual(answers[0]);
  return answers[0];
}

async function subscribe(client: WsClient, channel: string, data: object = {}): Promise<Frame> {
  client.send({ event: 'hotsock.subscribe', channel, data });
  return client.next((frame) => ['hotsock.subscribed', 'hotsock.error'].includes(frame.event));
}

const REVOKED = [401, 'INVALID_CONNECT_TOKEN', 'revoked'];
const CLOSED = { code: 4401, reason: 'TOKEN_REVOKED' };

const revoke = (body: object): Promise<Frame> => manager.revoke(body);

describe('POST /revocations', () => {
  it('of a jti ends its connections, keeps it out on both gateways, and ends with the token', async () => {
    const exp = Math.floor(now()) + 600;
    const token = tokenFor({ uid: 'j', jti: 'j-token', exp });
    const clients = [await connect(urlOf(0), token), await connect(urlOf(1), token)];
    const stays = await connect(urlOf(0), tokenFor({ uid: 'j', jti: 'j-other' }));
    const { status, json, headers } = await manager.post('/revocations', { jti: 'j-token', reason: 'Stolen' });
    expect([status, json]).toEqual([
      201,
      {
        id: expect.stringMatching(/^[0-9A-Z]{26}$/),
        jti: 'j-token',
        uid: null,
        issuedBefore: null,
        kid: null,
        reason: 'Stolen',
        createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z$/),
        // It was seen, when the connections were closed.
        keptUntil: new Date(exp * 1_000).toISOString().replace('.000', ''),
        disconnected: 2,
        complete: true,
      },
    ]);
    expect(headers.get('location')).toBe(`/revocations/${json.id}`);
    expect(await Promise.all(clients.map(({ closed }) => closed))).toEqual([CLOSED, CLOSED]);
    expect(await handshakes(token)).toEqual(REVOKED);
    stays.send({ event: 'hotsock.ping' });
    await stays.next('hotsock.pong');

    const { disconnected: _disconnected, complete: _complete, ...one } = json;
    expect((await manager.get(`/revocations/${json.id}`)).json).toEqual(one);
    expect((await manager.get('/revocations?jti=j-token')).json).toEqual({ revocations: [one], next: null });
    const again = await manager.post('/revocations', { jti: 'j-token', keepFor: -1 });
    expect([again.status, again.json]).toEqual([200, { ...json, keptUntil: null, disconnected: 0 }]);
  });

  it('is told to a browser that asks by 4401', async () => {
    await revoke({ jti: 'why' });
    const client = await WsClient.open(`${urlOf(0)}?closeReason=1&token=${tokenFor({ jti: 'why' })}`);
    expect(await client.closed).toEqual({ code: 4401, reason: 'INVALID_CONNECT_TOKEN' });
    expect(client.frames).toEqual([]);
  });

  it('is told to a client of Socket.IO, which sees no close code, by a frame', async () => {
    const socket = io(testbed.gateways[0]!.httpUrl, {
      transports: ['websocket'],
      forceNew: true,
      reconnection: false,
      auth: { token: tokenFor({ uid: 'io' }) },
    });
    const told = new Promise((resolve) => socket.on('hotsock.error', resolve));
    const gone = new Promise((resolve) => socket.on('disconnect', resolve));
    await new Promise((resolve) => socket.on('hotsock.connected', resolve));
    await revoke({ uid: 'io' });
    expect(await told).toMatchObject({ error: { code: 'TOKEN_REVOKED' } });
    await gone;
    const refused = new Promise<Error & { data?: unknown }>((resolve) => socket.once('connect_error', resolve));
    socket.connect();
    expect((await refused).data).toMatchObject({ code: 'INVALID_CONNECT_TOKEN', reason: 'revoked' });
    socket.disconnect();
  });

  it('ends when its time is over, which the later of two says', async () => {
    const token = tokenFor({ uid: 'short', iat: 1 });
    const first = await revoke({ uid: 'short', keepFor: 1 });
    const second = await revoke({ uid: 'short', keepFor: 2 });
    expect([second.id, Date.parse(second.keptUntil) > Date.parse(first.keptUntil)]).toEqual([first.id, true]);
    expect((await revoke({ uid: 'short', keepFor: 1 })).keptUntil).toBe(second.keptUntil);
    expect(await handshakes(token)).toEqual(REVOKED);
    await eventually(async () => expect(await handshakes(token)).toBe(101));
    expect(now()).toBeGreaterThan(Date.parse(second.keptUntil) / 1_000 - 0.1);
    expect((await manager.get(`/revocations/${first.id}`)).status).toBe(404);
    expect((await manager.get('/revocations?uid=short')).json.revocations).toEqual([]);
  });

  it('is kept as long as configured, and of a jti until its token expires once that is shown', async () => {
    const since = now();
    const { id, keptUntil } = await revoke({ jti: 'seen-late' });
    expect(Math.abs(Date.parse(keptUntil) / 1_000 - since - 3_600)).toBeLessThan(30);
    for (const exp of [Math.floor(since) + 900, Math.floor(since) + 7_200]) {
      expect(await handshake(0, tokenFor({ jti: 'seen-late', exp }))).toEqual(REVOKED);
      await eventually(async () => {
        const { json } = await manager.get(`/revocations/${id}`);
        expect(Date.parse(json.keptUntil)).toBe(exp * 1_000);
      });
    }
    // Of several tokens the last.
    expect(await handshake(1, tokenFor({ jti: 'seen-late' }))).toEqual(REVOKED);
    expect(Date.parse((await manager.get(`/revocations/${id}`)).json.keptUntil)).toBeGreaterThan(
      (since + 7_000) * 1_000,
    );
  });

  it('M6: of a uid concerns what was issued before, and what does not say when', async () => {
    const limit = Math.floor(now());
    const { issuedBefore } = await revoke({ uid: 'm6', issuedBefore: limit });
    expect(Date.parse(issuedBefore)).toBe(limit * 1_000);
    expect(await handshakes(tokenFor({ uid: 'm6', iat: limit - 1 }))).toEqual(REVOKED);
    expect(await handshakes(tokenFor({ uid: 'm6', iat: limit }))).toBe(101);
    expect(await handshakes(tokenFor({ uid: 'm6' }))).toEqual(REVOKED);
    expect(await handshakes(tokenFor({ uid: 'm6-other', iat: limit - 1 }))).toBe(101);
    // The later limit wins, however it is written.
    const later = await revoke({ uid: 'm6', issuedBefore: new Date((limit + 30) * 1_000).toISOString() });
    expect(later.issuedBefore).toBe(new Date((limit + 30) * 1_000).toISOString().replace('.000', ''));
    expect((await revoke({ uid: 'm6', issuedBefore: limit - 99 })).issuedBefore).toBe(later.issuedBefore);
    expect(await handshakes(tokenFor({ uid: 'm6', iat: limit + 29 }))).toEqual(REVOKED);
    expect(await handshakes(tokenFor({ uid: 'm6', iat: limit + 30 }))).toBe(101);
  });

  it('of a uid means everything up to the next whole second, unless it says otherwise', async () => {
    const since = now();
    const { issuedBefore } = await revoke({ uid: 'next' });
    const limit = Date.parse(issuedBefore) / 1_000;
    expect(Number.isInteger(limit)).toBe(true);
    // Clocks of test and database are the same here, but for what their reading takes.
    expect(limit).toBeGreaterThan(since - 0.1);
    expect(limit).toBeLessThanOrEqual(now() + 1.1);
  });

  it('of a key concerns its tokens, by the slot or where that has no id by themselves', async () => {
    const bySlot = signToken({ scope: 'connect', channels: {} }, { secret: SECOND, kid: 'second' });
    const withoutKid = signToken({ scope: 'connect', channels: {} }, { secret: SECOND });
    const client = await connect(urlOf(1), withoutKid);
    const { id, kid, disconnected } = await revoke({ kid: 'second' });
    expect([kid, disconnected]).toEqual(['second', 1]);
    expect(await client.closed).toEqual(CLOSED);
    expect([await handshakes(bySlot), await handshakes(withoutKid)]).toEqual([REVOKED, REVOKED]);
    expect(await handshakes(tokenFor({}))).toBe(101);
    expect((await manager.call('DELETE', `/revocations/${id}`)).status).toBe(204);
    expect(await handshakes(bySlot)).toBe(101);

    const key = { secret: Buffer.from(testbed.env.HEARTH_SIGNING_KEY_1_ENCODED!, 'base64'), kid: 'own' };
    const own = signToken({ scope: 'connect', channels: {} }, key);
    expect(await handshakes(own)).toBe(101);
    await revoke({ kid: 'own' });
    expect([await handshakes(own), await handshakes(tokenFor({}))]).toEqual([REVOKED, 101]);
  });

  it('takes the credentials of the client HTTP API away, on every node', async () => {
    const client = await testbed.connect({ uid: 'http', channels: { c: { subscribe: true } } });
    await client.subscribe('c');
    expect((await client.call('listMessages', { channel: 'c' })).status).toBe(200);
    await revoke({ uid: 'http' });
    expect((await client.call('listMessages', { channel: 'c' })).status).toBe(401);
  });

  it('ends what was subscribed with a token, and takes neither it nor a umd token again', async () => {
    const client = await testbed.connect({ uid: 's', jti: 's-connect', channels: { own: { subscribe: true } } });
    const watcher = await testbed.connect(
      { uid: 'w', channels: { 'presence.s': { subscribe: true } } },
      testbed.gateways[1],
    );
    await watcher.subscribe('presence.s');
    await client.subscribe('own');
    const claims = {
      connectionId: client.id,
      jti: 's-token',
      uid: 's',
      channels: { 'presence.s': { subscribe: true } },
    };
    await client.subscribe('presence.s', subscribeToken(claims));
    await watcher.ws.next('hotsock.memberAdded');
    const { disconnected } = await revoke({ jti: 's-token' });
    expect(disconnected).toBe(0);
    expect(await client.ws.next('hotsock.unsubscribed')).toMatchObject({ channel: 'presence.s' });
    expect((await watcher.ws.next('hotsock.memberRemoved')).data.member.uid).toBe('s');
    await eventually(async () => expect((await testbed.channel('presence.s')).subscriptionsCount).toBe(1));
    const refused = await subscribe(client.ws, 'presence.s', { token: subscribeToken(claims) });
    expect(refused.error.code).toBe('INVALID_SUBSCRIBE_TOKEN');

    await revoke({ jti: 'umd' });
    const token = umdToken({ connectionId: client.id, jti: 'umd', umdUpdate: true, umd: 1 });
    client.ws.send({ event: 'hotsock.umdUpdate', data: { token } });
    expect((await client.ws.next('hotsock.error')).error.code).toBe('INVALID_UMD_TOKEN');
    // What is not made with them goes on.
    await testbed.publish({ channel: 'own', event: 'e' });
    await client.ws.next('e');
  });

  it('M7: does not use a single-use token up', async () => {
    const token = tokenFor({ uid: 'm7', jti: 'm7', singleUse: true });
    const { id } = await revoke({ jti: 'm7' });
    expect(await handshake(0, token)).toEqual(REVOKED);
    expect((await manager.call('DELETE', `/revocations/${id}`)).status).toBe(204);
    expect(await handshake(1, token)).toBe(101);
    expect(await handshake(0, token)).toEqual([403, 'INVALID_CONNECT_TOKEN', undefined]);
    const after = await manager.call('DELETE', `/revocations/${id}`);
    expect([after.status, after.json.error.code]).toEqual([404, 'NOT_FOUND']);
    expect((await manager.get('/revocations?jti=m7')).json.revocations).toEqual([]);
    // Another revocation then.
    expect((await revoke({ jti: 'm7' })).id).not.toBe(id);
  });
});

describe('what a user saw before a revocation', () => {
  /** Sees a message of a channel, leaves, and misses one. */
  async function missedSome(uid: string): Promise<{ after: string; token: string }> {
    const client = await connect(urlOf(0), tokenFor({ uid, iat: 1 }));
    const { data } = await subscribe(client, uid, { resume: true });
    await testbed.publish({ channel: uid, event: 'seen' });
    const { id } = await client.next('seen');
    await client.close();
    await testbed.publish({ channel: uid, event: 'missed' });
    return { after: id, token: data.resume.token };
  }

  async function comeBack(uid: string, data: object): Promise<{ complete: boolean; events: string[] }> {
    const client = await connect(urlOf(0), tokenFor({ uid, iat: Math.ceil(now()) + 5 }));
    const subscribed = await subscribe(client, uid, data);
    await testbed.publish({ channel: uid, event: 'live' });
    await client.next('live');
    const events = client.frames
      .map(({ event }) => event)
      .filter((event) => ['seen', 'missed', 'live'].includes(event));
    await client.close();
    return { complete: subscribed.data.resume.complete, events };
  }

  it.each<[string, (point: { after: string; token: string }) => object]>([
    ['a resume token', ({ token }) => ({ resume: { token } })],
    ['a resume token and an id', (point) => ({ resume: point })],
    ['an id, to a gateway that remembers', ({ after }) => ({ resume: { after } })],
    ['an id, to a gateway that remembers, in the old way', ({ after }) => ({ after })],
  ])('is shown no more for %s', async (name, data) => {
    const uid = `r-${name.length}`;
    const point = await missedSome(uid);
    const before = await comeBack(uid, data(point));
    expect([before.complete, before.events.slice(-2)]).toEqual([true, ['missed', 'live']]);
    await revoke({ uid });
    expect(await comeBack(uid, data(point))).toEqual({ complete: false, events: ['live'] });
    // What it sees from now on, it may see again.
    const client = await connect(urlOf(0), tokenFor({ uid, iat: Math.ceil(now()) + 5 }));
    const again = await subscribe(client, uid, { resume: true });
    await testbed.publish({ channel: uid, event: 'seen' });
    const { id } = await client.next('seen');
    await client.close();
    await testbed.publish({ channel: uid, event: 'missed' });
    const fresh = data({ after: id, token: again.data.resume.token });
    const back = await comeBack(uid, fresh);
    expect([back.complete, back.events.at(-2)]).toEqual([true, 'missed']);
  });
});

it('there are a million at most; what is revoked already can be revoked again', async () => {
  const known = await revoke({ jti: 'known', keepFor: -1 });
  const sql = new Client({ connectionString: testbed.database.url });
  await sql.connect();
  try {
    // As many rows as count, and that no gateway reads: their number is none that is new to it.
    await sql.query(`create table filler () inherits (denial)`);
    await sql.query(
      `insert into filler (id, kind, names, target_digest, version)
       select '', 'revokedToken', '[]', '', 0 from generate_series(1, 1000000)`,
    );
    const { status, json } = await manager.post('/revocations', { jti: 'one too many' });
    expect([status, json.error]).toEqual([
      409,
      { code: 'LIMIT_REACHED', message: expect.any(String), limit: 'revocations', max: 1_000_000 },
    ]);
    expect((await revoke({ jti: 'known', keepFor: -1 })).id).toBe(known.id);
    expect(await handshakes(tokenFor({ jti: 'one too many' }))).toBe(101);
  } finally {
    await sql.query('drop table if exists filler');
    await sql.end();
  }
});

describe('a revocation', () => {
  it('is not promised while a gateway does not answer, which then hears of it by itself', async () => {
    const paused = testbed.gateways[1]!;
    const client = await connect(urlOf(1), tokenFor({ uid: 'late' }));
    await pauseProcess(paused.pid);
    try {
      const { status, json } = await manager.post('/revocations', { uid: 'late' });
      expect([status, json.disconnected, json.complete]).toEqual([201, 0, false]);
      const asked = ['--url', testbed.publishApiUrl, '--api-key', ADMIN_TOKEN, '--json'];
      const { code, stdout, stderr } = await hearth(['connections', ...asked]);
      expect([code, JSON.parse(stdout).complete, stderr]).toEqual([1, false, expect.stringContaining('warning')]);
    } finally {
      resumeProcess(paused.pid);
    }
    expect(await client.closed).toEqual(CLOSED);
    await eventually(async () => expect(await handshake(1, tokenFor({ uid: 'late' }))).toEqual(REVOKED));
  });

  it('M5: holds after a restart of everything', async () => {
    const token = tokenFor({ uid: 'm5', jti: 'm5' });
    const client = await connect(urlOf(0), token);
    await revoke({ jti: 'm5' });
    expect(await client.closed).toEqual(CLOSED);
    expect(await handshakes(token)).toEqual(REVOKED);
    const stopped = testbed.apps.splice(0);
    await Promise.all(stopped.map((app) => app.stop()));
    await Promise.all(stopped.map(({ name }) => testbed.add(name)));
    expect(await handshakes(token)).toEqual(REVOKED);
    expect(await handshakes(tokenFor({ uid: 'm5', jti: 'm5-other' }))).toBe(101);
  });
});
