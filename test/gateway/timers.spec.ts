import { setTimeout as delay } from 'node:timers/promises';
import { installationNow, setInstallationClock } from '@hearth/timing';
import { io } from 'socket.io-client';
import { eventually } from '../support/eventually';
import { pauseProcess, resumeProcess } from '../support/pause-process';
import { startApp } from '../support/process';
import { connectToken, SECRET } from './gateway-under-test';
import { startTestbed, type Testbed } from './testbed';
import { WsClient } from '../support/ws-client';

/** What time does to a connection (websocket-protocol §2, §8). */
let testbed: Testbed;

beforeAll(async () => {
  testbed = await startTestbed({ wsPingSeconds: 0.5 });
});
afterAll(() => testbed?.stop());

const GOING_AWAY = { code: 1001, reason: 'Going away' };

it('ends a connection at connectionExpiresAt, whatever the traffic', async () => {
  const gateway = await testbed.anotherGateway({ connectionMaxSeconds: 2 });
  const client = await gateway.connect({ keepAlive: true });
  const expiresAt = Date.parse((await client.connected()).data.connectionExpiresAt);
  const chatter = setInterval(() => client.send({ event: 'hotsock.ping' }), 50);
  expect(await client.closed).toEqual(GOING_AWAY);
  clearInterval(chatter);
  expect(Date.now()).toBeGreaterThanOrEqual(expiresAt);
});

it('ends an idle connection, but not one with traffic in either direction', async () => {
  const gateway = await testbed.anotherGateway({ connectionIdleSeconds: 1.5, wsPingSeconds: 0.3 });
  const [idle, speaks, hears, leftOut] = await Promise.all([
    gateway.connect(),
    gateway.connect(),
    gateway.connect({ channels: { 'timers.a': { autoSubscribe: true } } }),
    gateway.connect({ channels: { 'timers.b': { autoSubscribe: true } } }),
  ]);
  const except = (await leftOut.connected()).data.connectionId;
  await Promise.all([hears, leftOut].map((client) => client.next('hotsock.subscribed')));
  const traffic = setInterval(() => {
    speaks.send({ event: 'hotsock.pong' });
    void testbed.sequencer.publish('timers.a', 1);
    void testbed.sequencer.publish('timers.b', 1, { except });
  }, 100);
  expect(await idle.closed).toEqual(GOING_AWAY);
  expect(idle.frames).toHaveLength(1);
  // What a connection publishes over HTTP without echo is no frame of its socket.
  expect(await leftOut.closed).toEqual(GOING_AWAY);
  expect(leftOut.frames).toHaveLength(2);
  const heard = hears.frames.length;
  await eventually(() => expect(hears.frames.length).toBeGreaterThan(heard + 25));
  expect([speaks.socket.readyState, hears.socket.readyState]).toEqual([1, 1]);
  clearInterval(traffic);
  await Promise.all([speaks.close(), hears.close()]);
});

it('sends keep-alives only with the claim, in time for the idle limit', async () => {
  const gateway = await testbed.anotherGateway({ connectionIdleSeconds: 2 });
  const [kept, other] = await Promise.all([gateway.connect({ keepAlive: true }), gateway.connect()]);
  expect(await other.closed).toEqual(GOING_AWAY);
  await eventually(() =>
    expect(kept.texts.slice(1, 3)).toEqual(Array(2).fill('{"event":"hotsock.keepAlive","data":{}}')),
  );
  await kept.close();
});

it('ends a connection whose heartbeats stop, and only by their absence', async () => {
  const started = Date.now();
  const [silent, beating, talking, oddly] = await Promise.all(
    [0, 1, 2, 3].map(() => testbed.gateway.connect({ heartbeatTimeout: 5 })),
  );
  const beats = setInterval(() => beating?.send({ event: 'hotsock.heartbeat' }), 500);
  const odd = setInterval(() => {
    oddly?.send('{"event":"hotsock\\u002eheartbeat"}');
    oddly?.send(`{"event":"hotsock.heartbeat"${' '.repeat(5_000)}}`);
  }, 500);
  const talk = setInterval(() => talking?.send({ event: 'hotsock.ping' }), 500);
  expect(await Promise.all([silent?.closed, talking?.closed])).toEqual(
    Array(2).fill({ code: 1001, reason: 'Heartbeat timeout' }),
  );
  expect(Date.now() - started).toBeGreaterThan(4_900);
  expect([beating, oddly].map((client) => client?.socket.readyState)).toEqual([1, 1]);
  clearInterval(beats);
  clearInterval(odd);
  clearInterval(talk);
  await beating?.close();
});

it('keeps a client whose heartbeats stand behind slow frames, as long as they come', async () => {
  const claims = { heartbeatTimeout: 5, channels: { '*': { subscribe: true } } };
  const [queued, unread] = await Promise.all([testbed.gateway.connect(claims), testbed.gateway.connect(claims)]);
  const askFor = (client: WsClient, count: number) => {
    for (let n = 0; n < count; n++) client.send({ event: 'hotsock.subscribe', channel: `slow.${n}` });
  };
  const beats = setInterval(() => [queued, unread].forEach((each) => each.send({ event: 'hotsock.heartbeat' })), 500);
  await pauseProcess(testbed.nats.pid);
  try {
    askFor(queued, 2);
    // More than the gateway takes: it stops to read, pongs and heartbeats too.
    askFor(unread, 100);
    // Longer than heartbeats may be away, and shorter than a subscribe may wait.
    await delay(8_000);
    expect([queued.socket.readyState, unread.socket.readyState]).toEqual([1, 1]);
    resumeProcess(testbed.nats.pid);
    await eventually(() => expect(unread.frames).toHaveLength(101));
    expect([queued.socket.readyState, unread.socket.readyState]).toEqual([1, 1]);
  } finally {
    resumeProcess(testbed.nats.pid);
    clearInterval(beats);
  }
  const ended = { code: 1001, reason: 'Heartbeat timeout' };
  expect(await Promise.all([queued.closed, unread.closed])).toEqual([ended, ended]);
});

it('hears what came while its process stood still before it judges who is silent', async () => {
  const gateway = await startApp('gateway', {
    HEARTH_NATS_URL: testbed.servers.natsUrl,
    HEARTH_DATABASE_URL: testbed.servers.databaseUrl,
    HEARTH_PARTITIONS: '2',
    HEARTH_SIGNING_KEY_1_ENCODED: SECRET.toString('base64'),
    HEARTH_CONNECTION_IDLE_SECONDS: '5',
    HEARTH_DRAIN_SECONDS: '0',
  });
  try {
    const clients = await Promise.all(
      Array.from({ length: 20 }, () => WsClient.open(gateway.wsUrl, connectToken({ heartbeatTimeout: 5 }))),
    );
    const answers = (n: number) =>
      eventually(() => {
        for (const { frames } of clients)
          expect(frames.filter(({ event }) => event === 'hotsock.pong')).toHaveLength(n);
      });
    const sayAll = (name: string) => clients.forEach((client) => client.send({ event: `hotsock.${name}` }));
    sayAll('ping');
    await answers(1);
    await pauseProcess(gateway.pid);
    sayAll('heartbeat');
    // Longer than a heartbeat may be away.
    await delay(6_000);
    sayAll('heartbeat');
    sayAll('ping');
    resumeProcess(gateway.pid);
    await answers(2);
    expect(clients.map(({ socket }) => socket.readyState)).toEqual(clients.map(() => 1));
  } finally {
    resumeProcess(gateway.pid);
    await gateway.stop();
  }
});

it.each([
  ['ahead', 600_000],
  ['back', -600_000],
])('goes on with its pings, and ends nobody, when the clock of Postgres is set %s', async (_, byMs) => {
  const gateway = await testbed.anotherGateway({ connectionIdleSeconds: 60, wsPingSeconds: 0.5 });
  const client = await gateway.connect({ heartbeatTimeout: 60 });
  const realMs = installationNow() - performance.now();
  setInstallationClock(realMs + byMs);
  try {
    let pings = 0;
    client.socket.on('ping', () => pings++);
    await Promise.race([client.closed, eventually(() => expect(pings).toBeGreaterThan(2))]);
    expect(client.socket.readyState).toBe(1);
  } finally {
    setInstallationClock(realMs);
  }
  await client.close();
});

it('pings, and drops a socket that does not answer twice', async () => {
  const client = await testbed.gateway.connect();
  let pings = 0;
  client.socket.on('ping', () => pings++);
  await eventually(() => expect(pings).toBeGreaterThan(4));
  expect(client.socket.readyState).toBe(1);
  const dead = new WsClientWithoutPongs(testbed.gateway.wsUrl);
  expect((await dead.closed).code).toBe(1006);
  await client.close();
});

class WsClientWithoutPongs {
  readonly closed: Promise<{ code: number }>;

  constructor(url: string) {
    const opening = import('ws').then(
      ({ WebSocket }) => new WebSocket(`${url}?token=${connectToken()}`, { autoPong: false }),
    );
    this.closed = opening.then((socket) => new Promise((resolve) => socket.on('close', (code) => resolve({ code }))));
  }
}

it('closes everybody at shutdown, over the drain time, and lets nobody in meanwhile', async () => {
  const gateway = await testbed.anotherGateway({ drainSeconds: 1 });
  const clients = await Promise.all(Array.from({ length: 50 }, () => gateway.connect()));
  const closedAt: number[] = [];
  for (const client of clients) void client.closed.then(() => closedAt.push(Date.now()));
  const stopped = gateway.stop();
  await eventually(() => expect(closedAt.length).toBeGreaterThan(0));
  await expect(WsClient.open(gateway.wsUrl, connectToken())).rejects.toMatchObject({ status: 503 });
  expect(
    new Set((await Promise.all(clients.map((client) => client.closed))).map((end) => JSON.stringify(end))),
  ).toEqual(new Set([JSON.stringify(GOING_AWAY)]));
  expect(Math.max(...closedAt) - Math.min(...closedAt)).toBeGreaterThan(300);
  await stopped;
});

describe('closeAtExp (management-api §5)', () => {
  const EXPIRED = { code: 4401, reason: 'TOKEN_EXPIRED' };
  const soon = (): number => Math.floor(Date.now() / 1_000) + 2;

  it('M8: ends a connection within a second of the end of its token, and never before', async () => {
    const exp = soon();
    const [closes, goesOn] = await Promise.all([
      testbed.gateway.connect({ exp, closeAtExp: true }),
      testbed.gateway.connect({ exp }),
    ]);
    expect((await closes.connected()).data.connectionExpiresAt).toBe(
      new Date(exp * 1_000).toISOString().replace('.000', ''),
    );
    expect(Date.parse((await goesOn.connected()).data.connectionExpiresAt) / 1_000).toBeGreaterThan(exp + 60);
    expect(await closes.closed).toEqual(EXPIRED);
    expect(Date.now()).toBeGreaterThanOrEqual(exp * 1_000);
    goesOn.send({ event: 'hotsock.ping' });
    await goesOn.next('hotsock.pong');
    await goesOn.close();
  });

  it('follows the setting where the claim does not say, and counts the leeway', async () => {
    const gateway = await testbed.anotherGateway({ closeAtExp: true, tokenLeewaySeconds: 1 });
    const exp = soon() - 1;
    const [closes, goesOn] = await Promise.all([
      gateway.connect({ exp, closeAtExp: null }),
      gateway.connect({ exp, closeAtExp: false }),
    ]);
    expect(await closes.closed).toEqual(EXPIRED);
    expect(Date.now()).toBeGreaterThanOrEqual((exp + 1) * 1_000);
    goesOn.send({ event: 'hotsock.ping' });
    await goesOn.next('hotsock.pong');
    await goesOn.close();
  });

  it('shows the end of the connection where that comes first', async () => {
    const gateway = await testbed.anotherGateway({ connectionMaxSeconds: 1 });
    const exp = soon() + 60;
    const client = await gateway.connect({ exp, closeAtExp: true });
    expect(Date.parse((await client.connected()).data.connectionExpiresAt) / 1_000).toBeLessThan(exp - 30);
    expect(await client.closed).toEqual(GOING_AWAY);
  });

  it('is told to clients of Socket.IO by a frame', async () => {
    const socket = io(testbed.gateway.httpUrl, {
      transports: ['websocket'],
      forceNew: true,
      reconnection: false,
      auth: { token: connectToken({ exp: soon(), closeAtExp: true }) },
    });
    const told = new Promise((resolve) => socket.on('hotsock.error', resolve));
    const gone = new Promise((resolve) => socket.on('disconnect', resolve));
    expect(await told).toMatchObject({ error: { code: 'TOKEN_EXPIRED' } });
    await gone;
    socket.disconnect();
  });
});
