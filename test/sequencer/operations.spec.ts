import { encodeIngestEvent, newScheduleId } from '@hearth/wire';
import { setTimeout as delay } from 'node:timers/promises';
import { Testbed } from './testbed';

const TOMORROW_MS = Date.now() + 86_400_000;

let testbed: Testbed;
beforeEach(async () => {
  testbed = await Testbed.start();
});
afterEach(() => testbed.stop());

/** Parks a message until tomorrow; gives the schedule's name and the operation that asks for it. */
function scheduled(channel: string) {
  const scheduleId = newScheduleId(Date.now(), testbed.ingest.partitionOf(channel));
  const data = encodeIngestEvent(
    { requestId: 'r', channel, event: 'e', trigger: 'server.http', store: 0, emitPubSubEvent: false },
    '1',
  ).toString();
  return { scheduleId, data, operation: { kind: 'schedule', channel, scheduleId, dueMs: TOMORROW_MS } as const };
}

const cancelOf = (channel: string, scheduleId: string) =>
  ({ kind: 'cancel', partition: testbed.ingest.partitionOf(channel), scheduleId }) as const;

async function waiting(): Promise<string[]> {
  const { rows } = await testbed.sql.query<{ schedule_id: string }>('select schedule_id from schedule order by 1');
  return rows.map((row) => row.schedule_id);
}

describe('operations', () => {
  it('can be read from Postgres once they are answered, and say when they were refused', async () => {
    await testbed.addSequencer();
    const { scheduleId, data, operation } = scheduled('c');
    await testbed.ingest.perform(operation, data);
    expect(await waiting()).toEqual([scheduleId]);
    await testbed.ingest.perform(cancelOf('c', scheduleId));
    expect(await waiting()).toEqual([]);
    await expect(testbed.ingest.perform(cancelOf('c', scheduleId))).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('are all readable behind a barrier', async () => {
    await testbed.addSequencer();
    const all = Array.from({ length: 50 }, () => scheduled('c'));
    await Promise.all(all.map(({ operation, data }) => testbed.ingest.send(operation, data)));
    await testbed.ingest.perform({ kind: 'barrier', channel: 'c' });
    expect(await waiting()).toEqual(all.map(({ scheduleId }) => scheduleId).sort());
  });

  it('lose and repeat nothing when sequencers are killed between applying and saving', async () => {
    await testbed.addSequencer();
    const kept = new Set<string>();
    const killing = (async () => {
      for (let i = 0; i < 3; i++) {
        await delay(700);
        const victim = testbed.sequencers.at(-1);
        await testbed.addSequencer();
        await victim?.kill('SIGKILL');
      }
    })();
    let done = false;
    void killing.finally(() => (done = true));
    for (let i = 0; !done; i++) {
      const channel = `c${i % 5}`;
      const { scheduleId, data, operation } = scheduled(channel);
      await testbed.ingest.send(operation, data);
      kept.add(scheduleId);
      if (i % 3 !== 0) continue;
      await testbed.ingest.send(cancelOf(channel, scheduleId));
      kept.delete(scheduleId);
    }
    await killing;
    await Promise.all(
      ['c0', 'c1', 'c2', 'c3', 'c4'].map((channel) => testbed.ingest.perform({ kind: 'barrier', channel })),
    );
    expect(await waiting()).toEqual([...kept].sort());
    expect(kept.size).toBeGreaterThan(50);
  });
});
