import { join } from 'node:path';
import { idTimeMs } from '@hearth/protocol';
import { eventually } from '../support/eventually';
import type { AppName, AppProcess } from '../support/process';
import { API_KEY, connectToken, post, Testbed } from '../support/installation';
import { TcpProxy } from '../support/tcp-proxy';
import { WsClient } from '../support/ws-client';

/** Processes whose clocks are wrong (promises R21): the installation has one, and it is none of theirs. */
const YEAR_MS = 365 * 86_400_000;
const HOUR_MS = 3_600_000;
const CHANNELS = Array.from({ length: 8 }, (_, n) => `c${n}`);

let testbed: Testbed;
let yearAhead: AppProcess;
let behind: AppProcess;
let road: TcpProxy;

const addWrong = (name: AppName, shiftMs: number, env: Record<string, string> = {}) =>
  testbed.add(name, {
    NODE_OPTIONS: `-r ${join(__dirname, '../support/shifted-clock.cjs')}`,
    HEARTH_TEST_CLOCK_SHIFT_MS: String(shiftMs),
    ...env,
  });

/** The way to Postgres through a proxy. */
function through({ port }: TcpProxy): string {
  const url = new URL(testbed.database.url);
  url.host = `127.0.0.1:${port}`;
  return url.toString();
}

async function clockAhead({ adminPort }: AppProcess): Promise<number | undefined> {
  const metrics = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text();
  const value = /^hearth_clock_ahead_seconds (\S+)/m.exec(metrics)?.[1];
  return value === undefined ? undefined : Number(value);
}

beforeAll(async () => {
  testbed = await Testbed.start();
  road = await TcpProxy.start(Number(new URL(testbed.database.url).port));
  [yearAhead, behind] = await Promise.all([
    addWrong('publish-api', YEAR_MS, {
      HEARTH_DATABASE_URL: through(road),
      HEARTH_TEST_CLOCK_SET_MS: String(-HOUR_MS),
    }),
    addWrong('gateway', -120_000),
    addWrong('sequencer', -15_000),
  ]);
});
afterAll(async () => {
  await testbed?.stop();
  await road?.stop();
});

const publish = (document: object) =>
  post(`http://127.0.0.1:${yearAhead.port}/publish`, document, { authorization: `Bearer ${API_KEY}` });

const expectNow = (id: string) => expect(Math.abs(idTimeMs(id) - Date.now())).toBeLessThan(300_000);

it('a publish-api a year ahead makes eager ids of the installation’s time', async () => {
  const { status, json } = await publish({ channel: 'c', event: 'e', eagerIdGeneration: true });
  expect(status).toBe(202);
  expectNow(json.id);
});

it('is told to the operator', async () => {
  expect(yearAhead.lines.join('\n')).toContain('ahead of the database');
  expect(await clockAhead(yearAhead)).toBeCloseTo(YEAR_MS / 1_000, -2);
  expect(behind.lines.join('\n')).toContain('behind the database');
});

it('moves the ids of nobody', async () => {
  expect((await publish({ channel: 'd', event: 'e', store: 60 })).status).toBe(202);
  const client = await testbed.connect({ uid: 'u', channels: { '*': { subscribe: true, historyStart: 0 } } });
  await eventually(async () => expect(await client.list({ channel: 'd' })).toHaveLength(1));
  const [message] = await client.list({ channel: 'd' });
  expectNow(message.id);
});

it('a gateway two minutes behind shows nothing from before a subscription, and all that comes after', async () => {
  await testbed.store('seen', 'before');
  const client = await testbed.connect({ channels: { seen: { subscribe: true } } }, behind);
  await client.subscribe('seen');
  const ids = await testbed.store('seen', 'after');
  expect((await client.list({ channel: 'seen' })).map(({ id }) => id as string)).toEqual(ids.slice(1));
});

it('and refuses a token that expired a minute ago', async () => {
  const token = connectToken({ exp: Math.floor(Date.now() / 1_000) - 60 });
  await expect(WsClient.open(behind.wsUrl, token)).rejects.toMatchObject({ status: 401 });
});

it('a sequencer 15 s behind fires schedules when they are due', async () => {
  const dueMs = (Math.floor(Date.now() / 1_000) + 4) * 1_000;
  const scheduleExpression = `at(${new Date(dueMs).toISOString().slice(0, 19)})`;
  // Both sequencers have some of the channels.
  for (const channel of CHANNELS) {
    const document = { channel, event: 'e', store: 60, scheduleExpression };
    expect((await testbed.publishOne(document)).status).toBe(202);
  }
  // It looks into all of them again and again.
  const limits = { history: -1, frames: -1 };
  const client = await testbed.connect({ channels: { '*': { subscribe: true, historyStart: 0 } }, limits });
  const fired = () => Promise.all(CHANNELS.map((channel) => client.list({ channel })));
  await eventually(async () => expect((await fired()).every(({ length }) => length === 1)).toBe(true));
  const lateMs = (await fired()).flat().map(({ id }) => idTimeMs(id) - dueMs);
  expect(Math.min(...lateMs)).toBeGreaterThan(0);
  expect(Math.max(...lateMs)).toBeLessThan(11_000);
});

/** As a scheduled request says it. */
const at = (ms: number) => `at(${new Date(ms).toISOString().slice(0, 19)})`;

it('what is scheduled lies in the future, or does not, for everybody alike', async () => {
  const [future, past] = [at(Date.now() + HOUR_MS), at(Date.now() - 30_000)];
  const { status, json } = await publish({ channel: 'later', event: 'e', scheduleExpression: future });
  expect(status).toBe(202);
  expect(await testbed.cancel((json.scheduleArn as string).split('/').at(-1) ?? '')).toMatchObject({ status: 204 });
  const client = await testbed.connect(
    { channels: { '*': { messages: { e: { publish: true, scheduleBefore: 60 } } } } },
    behind,
  );
  client.ws.send({ event: 'e', channel: 'later', scheduleExpression: past });
  expect((await client.ws.next('hotsock.error')).error).toMatchObject({ code: 'INVALID_SCHEDULE' });
});

it('a clock that is set back while its process runs changes nothing', async () => {
  const publishEager = async (): Promise<string> =>
    (await publish({ channel: 'set', event: 'e', store: 60, eagerIdGeneration: true })).json.id as string;
  const before = await publishEager();
  process.kill(yearAhead.pid, 'SIGUSR2');
  await eventually(async () => expect(await clockAhead(yearAhead)).toBeCloseTo(-HOUR_MS / 1_000, -2));
  const after = await publishEager();
  expectNow(after);
  expect(after > before).toBe(true);
  const dueMs = Math.ceil(Date.now() / 1_000 + 1) * 1_000;
  const due = { channel: 'due', event: 'e', store: 60, scheduleExpression: at(dueMs) };
  expect((await publish(due)).status).toBe(202);
  const client = await testbed.connect({ channels: { '*': { subscribe: true, historyStart: 0 } } });
  await eventually(async () => expect(await client.list({ channel: 'due' })).toHaveLength(1));
  const [message] = await client.list({ channel: 'due' });
  expect(idTimeMs(message.id as string)).toBeGreaterThan(dueMs);
  expect((await client.list({ channel: 'set' })).map(({ id }) => id as string)).toEqual([before, after]);
});

it('is not told while nobody can know it', async () => {
  road.swallowAnswers();
  await eventually(async () => expect(await clockAhead(yearAhead)).toBeUndefined());
});
