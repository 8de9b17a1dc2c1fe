import { randomUUID } from 'node:crypto';
import { eventually } from '../support/eventually';
import type { AppProcess } from '../support/process';
import { PARTITIONS, Testbed } from './testbed';

let testbed: Testbed;
beforeEach(async () => {
  testbed = await Testbed.start();
});
afterEach(() => testbed.stop());

function publish(channel: string, store = 60): Promise<void> {
  const event = { event: 'e', trigger: 'server.http', store, emitPubSubEvent: false } as const;
  return testbed.ingest.publish({ requestId: randomUUID(), channel, ...event }, '1');
}

/** `hearth_sequencer_lag` by partition. */
async function lagsOf(sequencer: AppProcess): Promise<Record<string, number>> {
  const text = await (await fetch(`http://127.0.0.1:${sequencer.adminPort}/metrics`)).text();
  const lines = text.matchAll(/^hearth_sequencer_lag{partition="(\d+)"} (\S+)$/gm);
  return Object.fromEntries([...lines].map(([, partition, value]) => [partition, Number(value)]));
}

const sumOf = (lags: Record<string, number>): number => Object.values(lags).reduce((sum, lag) => sum + lag, 0);

it('counts what waits for Postgres, and nothing when that is back', async () => {
  const sequencer = await testbed.addSequencer();
  // Each partition is known to work.
  for (let n = 0; n < 8 * PARTITIONS; n++) await publish(`c${n}`, 0);
  await eventually(async () => expect(await lagsOf(sequencer)).toEqual({ 0: 0, 1: 0, 2: 0, 3: 0 }));

  await testbed.sql.query('begin');
  await testbed.sql.query('lock table message_log');
  for (let n = 0; n < 50; n++) await publish('waiting');
  expect(sumOf(await lagsOf(sequencer))).toBe(50);
  expect(Math.max(...Object.values(await lagsOf(sequencer)))).toBe(50);
  await testbed.sql.query('rollback');
  await eventually(async () => expect(await lagsOf(sequencer)).toEqual({ 0: 0, 1: 0, 2: 0, 3: 0 }));
});

it('is told by the owner of a partition, and by nobody when NATS cannot be asked', async () => {
  const first = await testbed.addSequencer();
  await eventually(async () => expect(Object.keys(await lagsOf(first))).toHaveLength(PARTITIONS));
  const second = await testbed.addSequencer();
  await eventually(async () => {
    const [of1, of2] = await Promise.all([lagsOf(first), lagsOf(second)]);
    const all = [...Object.keys(of1), ...Object.keys(of2)];
    expect([all.length, new Set(all).size, Object.keys(of2).length]).toEqual([PARTITIONS, PARTITIONS, PARTITIONS / 2]);
  });
  await testbed.nats.kill();
  await eventually(async () => expect([await lagsOf(first), await lagsOf(second)]).toEqual([{}, {}]));
  await testbed.nats.restart();
  await eventually(async () => expect(Object.keys(await lagsOf(first))).toHaveLength(PARTITIONS / 2));
});
