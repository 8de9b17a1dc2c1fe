import { idTimeMs } from '@hearth/protocol';
import { setTimeout as delay } from 'node:timers/promises';
import { Testbed } from '../sequencer/testbed';
import { eventually } from '../support/eventually';
import { fired, schedule } from './parking';

let testbed: Testbed;
beforeEach(async () => {
  testbed = await Testbed.start();
});
afterEach(() => testbed.stop());

const CHANNELS = Array.from({ length: 12 }, (_, n) => `c${n}`);

/** Waits until nothing waits any more. */
function untilAllFired(withinMs: number): Promise<void> {
  return eventually(async () => {
    const { rows } = await testbed.sql.query<{ left: number }>('select count(*)::int as left from schedule');
    expect(rows[0]?.left).toBe(0);
  }, withinMs);
}

/** What was fanned out, and what is in the log: each of `dues` once, none before its time. */
async function expectEachOnce(dues: readonly number[]): Promise<void> {
  const all = await fired(testbed, dues.length, CHANNELS);
  expect(all.map(({ data }) => data).sort((a, b) => a - b)).toEqual(dues.map((_, n) => n));
  const early = all.filter(({ id, data }) => idTimeMs(id) <= dues[data]!);
  expect(early).toEqual([]);
  const { rows } = await testbed.sql.query<{ id: string }>('select id from message_log order by id');
  expect(rows.map(({ id }) => id)).toEqual(all.map(({ id }) => id).sort());
}

describe('schedules', () => {
  it('fire once each, none early and none lost, while three sequencers are killed around their times', async () => {
    await Promise.all([1, 2, 3].map(() => testbed.addSequencer()));
    const startMs = Math.ceil(Date.now() / 1_000 + 2) * 1_000;
    const dues = Array.from({ length: 1_500 }, (_, n) => startMs + (n % 15) * 1_000);
    await Promise.all(dues.map((dueMs, n) => schedule(testbed, CHANNELS[n % CHANNELS.length]!, n, dueMs)));
    for (let kill = 0; Date.now() < startMs + 14_000; kill++) {
      await delay(500 + Math.random() * 1_500);
      const [victim] = testbed.sequencers.splice(Math.floor(Math.random() * testbed.sequencers.length), 1);
      await victim?.kill('SIGKILL');
      await delay(Math.random() * 1_000);
      await testbed.addSequencer();
    }
    await untilAllFired(30_000);
    await expectEachOnce(dues);
  });

  it('fire once each when 10,000 are due in one second', async () => {
    await testbed.addSequencer();
    const dueMs = Math.ceil(Date.now() / 1_000 + 15) * 1_000;
    const dues = Array.from({ length: 10_000 }, () => dueMs);
    for (let from = 0; from < dues.length; from += 500) {
      const batch = dues.slice(from, from + 500);
      await Promise.all(batch.map((at, n) => schedule(testbed, CHANNELS[n % CHANNELS.length]!, from + n, at)));
    }
    expect(Date.now()).toBeLessThan(dueMs);
    await untilAllFired(60_000);
    await expectEachOnce(dues);
    const last = (await fired(testbed, dues.length, [])).reduce((latest, { id }) => Math.max(latest, idTimeMs(id)), 0);
    process.stdout.write(`schedules: 10,000 due at once, the last ${last - dueMs} ms later\n`);
  });

  it('fire late rather than never after a downtime', async () => {
    const sequencer = await testbed.addSequencer();
    const dueMs = Math.ceil(Date.now() / 1_000 + 3) * 1_000;
    const dues = Array.from({ length: 2_500 }, (_, n) => dueMs + (n % 2) * 1_000);
    await Promise.all(dues.map((at, n) => schedule(testbed, CHANNELS[n % CHANNELS.length]!, n, at)));
    await sequencer.kill('SIGKILL');
    testbed.sequencers.pop();
    await delay(Math.max(0, dueMs + 1_500 - Date.now()));
    await testbed.addSequencer();
    await eventually(async () => {
      const { rows } = await testbed.sql.query<{ logged: number }>('select count(*)::int as logged from message_log');
      expect(rows[0]?.logged).toBe(dues.length);
    });
    await untilAllFired(10_000);
    await expectEachOnce(dues);
  });
});
