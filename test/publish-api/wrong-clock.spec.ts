import { join } from 'node:path';
import { idTimeMs } from '@hearth/protocol';
import { eventually } from '../support/eventually';
import type { AppName, AppProcess } from '../support/process';
import { API_KEY, connectToken, post, Testbed } from '../support/installation';
import { WsClient } from '../support/ws-client';

/** Processes whose clocks are wrong (promises R21): the installation has one, and it is none of theirs. */
const YEAR_MS = 365 * 86_400_000;
const CHANNELS = Array.from({ length: 8 }, (_, n) => `c${n}`);

let testbed: Testbed;
let yearAhead: AppProcess;
let behind: AppProcess;

const addWrong = (name: AppName, shiftMs: number) =>
  testbed.add(name, {
    NODE_OPTIONS: `-r ${join(__dirname, '../support/shifted-clock.cjs')}`,
    HEARTH_TEST_CLOCK_SHIFT_MS: String(shiftMs),
  });

beforeAll(async () => {
  testbed = await Testbed.start();
  [yearAhead, behind] = await Promise.all([
    addWrong('publish-api', YEAR_MS),
    addWrong('gateway', -120_000),
    addWrong('sequencer', -15_000),
  ]);
});
afterAll(() => testbed?.stop());

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
  const metrics = await (await fetch(`http://127.0.0.1:${yearAhead.adminPort}/metrics`)).text();
  expect(Number(/^hearth_clock_ahead_seconds (\S+)/m.exec(metrics)?.[1])).toBeCloseTo(YEAR_MS / 1_000, -2);
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
  const client = await testbed.connect({ channels: { '*': { subscribe: true, historyStart: 0 } } });
  const fired = () => Promise.all(CHANNELS.map((channel) => client.list({ channel })));
  await eventually(async () => expect((await fired()).every(({ length }) => length === 1)).toBe(true));
  const lateMs = (await fired()).flat().map(({ id }) => idTimeMs(id) - dueMs);
  expect(Math.min(...lateMs)).toBeGreaterThan(0);
  expect(Math.max(...lateMs)).toBeLessThan(11_000);
});
