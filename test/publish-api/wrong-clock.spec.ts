import { join } from 'node:path';
import { idTimeMs } from '@hearth/protocol';
import { eventually } from '../support/eventually';
import type { AppProcess } from '../support/process';
import { API_KEY, post, Testbed } from '../support/installation';

/** One publish-api whose clock is a year ahead (promises R21). */
const YEAR_MS = 365 * 86_400_000;

let testbed: Testbed;
let wrong: AppProcess;

beforeAll(async () => {
  testbed = await Testbed.start();
  wrong = await testbed.add('publish-api', {
    NODE_OPTIONS: `-r ${join(__dirname, '../support/shifted-clock.cjs')}`,
    HEARTH_TEST_CLOCK_SHIFT_MS: String(YEAR_MS),
  });
});
afterAll(() => testbed?.stop());

const publish = (document: object) =>
  post(`http://127.0.0.1:${wrong.port}/publish`, document, { authorization: `Bearer ${API_KEY}` });

it('makes no eager ids, and says why', async () => {
  const { status, json } = await publish({ channel: 'c', event: 'e', eagerIdGeneration: true });
  expect([status, json.error.code]).toEqual([503, 'SERVICE_UNAVAILABLE']);
  expect(json.error.message).toContain('the clock of this server is 31536000 s ahead');
});

it('is told to the operator', async () => {
  expect(wrong.lines.join('\n')).toContain('ahead of the database');
  const metrics = await (await fetch(`http://127.0.0.1:${wrong.adminPort}/metrics`)).text();
  expect(Number(/^hearth_clock_ahead_seconds (\S+)/m.exec(metrics)?.[1])).toBeCloseTo(YEAR_MS / 1_000, -2);
});

it('moves the ids of nobody', async () => {
  expect((await publish({ channel: 'c', event: 'e', store: 60 })).status).toBe(202);
  const client = await testbed.connect({ uid: 'u', channels: { '*': { subscribe: true, historyStart: 0 } } });
  await eventually(async () => expect(await client.list({ channel: 'c' })).toHaveLength(1));
  const [message] = await client.list({ channel: 'c' });
  expect(Math.abs(idTimeMs(message.id) - Date.now())).toBeLessThan(300_000);
});
