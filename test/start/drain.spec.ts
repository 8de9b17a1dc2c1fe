import { connect, type Socket } from 'node:net';
import { Client } from 'pg';
import { createDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import { Testbed } from '../support/installation';
import { startNats, type TestNats } from '../support/nats';
import { pauseProcess, resumeProcess } from '../support/pause-process';
import { TcpProxy } from '../support/tcp-proxy';
import { startApp, type AppName, type AppProcess } from '../support/process';

/** What clients leave open does not keep a process from its end, and everything is closed in good order. */
const API_KEY = 'drain-spec-key';

let nats: TestNats;
let database: Awaited<ReturnType<typeof createDatabase>>;
let sql: Client;
const apps: AppProcess[] = [];
const sockets: Socket[] = [];

beforeAll(async () => {
  [nats, database] = await Promise.all([startNats(), createDatabase()]);
  sql = new Client(database.url);
  await sql.connect();
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await Promise.all(apps.splice(0).map((app) => app.stop()));
});
afterAll(async () => {
  await sql?.end();
  await nats?.stop();
  await database?.drop();
});

async function start(name: AppName, env: Readonly<Record<string, string>> = {}): Promise<AppProcess> {
  const app = await startApp(name, {
    HEARTH_NATS_URL: nats.url,
    HEARTH_DATABASE_URL: database.url,
    HEARTH_PARTITIONS: '2',
    HEARTH_HTTP_API_KEY_1: API_KEY,
    HEARTH_DRAIN_SECONDS: '10',
    ...env,
  });
  apps.push(app);
  return app;
}

/** A bare socket that says this and no more, and what came back. */
async function open(port: number, bytes: string): Promise<{ received: string; closed: boolean }> {
  const seen = { received: '', closed: false };
  const socket = connect(port, '127.0.0.1');
  sockets.push(socket);
  socket.on('data', (chunk) => (seen.received += chunk.toString()));
  socket.on('error', () => undefined);
  socket.on('close', () => (seen.closed = true));
  await new Promise<void>((resolve) => socket.once('connect', resolve));
  if (bytes !== '') await new Promise<void>((resolve) => socket.write(bytes, () => resolve()));
  return seen;
}

const head = (method: string, path: string, ...headers: string[]): string =>
  [`${method} ${path} HTTP/1.1`, 'Host: x', ...headers, '', ''].join('\r\n');

/** What a client sends before it falls silent: nothing, half a head, half a body. */
const LEFT_OPEN = [
  '',
  'GET /v1 HTTP/1.1\r\nHost: x\r\nUpgra',
  `${head('POST', '/publish', `Authorization: Bearer ${API_KEY}`, 'Content-Length: 100')}{"chan`,
];

it('everything is closed although clients stay connected', async () => {
  await Promise.all([start('publish-api'), start('gateway')]);
  const polling = `${head('POST', '/socket.io/?EIO=4&transport=polling', 'Content-Length: 100')}40{"tok`;
  const ports = apps.flatMap(({ port, adminPort }) => [port, adminPort]);
  const silent = await Promise.all(ports.flatMap((port) => [...LEFT_OPEN, polling].map((bytes) => open(port, bytes))));
  const idle = await Promise.all(ports.map((port) => open(port, head('GET', '/nothing'))));
  await eventually(() => expect(idle.every(({ received }) => received.includes('404'))).toBe(true));
  expect(await Promise.all(apps.map((app) => app.stop()))).toEqual(Array(2).fill({ code: 0, signal: null }));
  await eventually(() => expect([...silent, ...idle].every(({ closed }) => closed)).toBe(true));
  const numbers = await sql.query('select 1 from gateway_lease where expires_at > now()');
  expect(numbers.rowCount).toBe(0);
});

it('a request that is under way is answered', async () => {
  const publishApi = await start('publish-api');
  const body = '{"channel":"c","event":"e"}';
  const request = head('POST', '/publish', `Authorization: Bearer ${API_KEY}`, `Content-Length: ${body.length}`);
  await pauseProcess(nats.pid);
  try {
    const answer = await open(publishApi.port, `${request}${body}`);
    // It has been read when a later one has been answered.
    const later = await open(publishApi.port, head('GET', '/nothing'));
    await eventually(() => expect(later.received).toContain('404'));
    const exited = publishApi.stop();
    await eventually(() => expect(later.closed).toBe(true));
    expect(answer.closed).toBe(false);
    resumeProcess(nats.pid);
    await eventually(() => expect(answer.received).toContain('202'));
    expect((await exited).code).toBe(0);
  } finally {
    resumeProcess(nats.pid);
  }
});

it('nobody waits for a Postgres that is away', async () => {
  const url = new URL(database.url);
  const road = await TcpProxy.start(Number(url.port));
  try {
    url.port = String(road.port);
    const env = { HEARTH_DATABASE_URL: url.href, HEARTH_DRAIN_SECONDS: '1' };
    await Promise.all((['gateway', 'sequencer', 'publish-api', 'history'] as const).map((name) => start(name, env)));
    road.lose();
    expect(await Promise.all(apps.map(async (app) => [app.name, (await app.stop()).code]))).toEqual(
      apps.map(({ name }) => [name, 0]),
    );
  } finally {
    await road.stop();
  }
});

it('nobody waits for a NATS that is away, or stumbles over what could not be told', async () => {
  const testbed = await Testbed.start({ HEARTH_EVENTS_ENABLED: 'true', HEARTH_DRAIN_SECONDS: '30' });
  try {
    const client = await testbed.connect({ channels: { c: { subscribe: true } } });
    await client.subscribe('c');
    await testbed.nats.kill();
    expect(await Promise.all(testbed.apps.map(async (app) => [app.name, (await app.stop()).code]))).toEqual(
      testbed.apps.map(({ name }) => [name, 0]),
    );
    const owned = 'select from partition_state where owner is not null';
    const ofTestbed = new Client(testbed.database.url);
    await ofTestbed.connect();
    expect((await ofTestbed.query(owned)).rowCount).toBe(0);
    await ofTestbed.end();
  } finally {
    await testbed.stop();
  }
});
