import { randomUUID } from 'node:crypto';
import { eventually } from '../support/eventually';
import { PARTITIONS, Testbed } from './testbed';

const HEARTH_NODE_ID = 'sequencer-1';

let testbed: Testbed;
beforeEach(async () => {
  testbed = await Testbed.start();
});
afterEach(() => testbed.stop());

function publish(channel: string): Promise<void> {
  const event = { event: 'e', trigger: 'server.http', store: 60, emitPubSubEvent: false } as const;
  return testbed.ingest.publish({ requestId: randomUUID(), channel, ...event }, '1');
}

/** How many messages the log has, one more on each of so many channels that every partition has some. */
async function published(): Promise<number> {
  await Promise.all(Array.from({ length: 8 * PARTITIONS }, (_, n) => publish(`c${n}`)));
  return 8 * PARTITIONS;
}

const logged = async () => (await testbed.sql.query('select 1 from message_log')).rowCount;

it('a sequencer that was killed and started again under its old name works on its partitions', async () => {
  const first = await testbed.addSequencer({ HEARTH_NODE_ID });
  const before = await published();
  await eventually(async () => expect(await logged()).toBe(before));
  await first.kill('SIGKILL');
  await testbed.addSequencer({ HEARTH_NODE_ID });
  const after = before + (await published());
  await eventually(async () => expect(await logged()).toBe(after));
});

it('two sequencers of one name share the partitions, and one goes on when the other ends', async () => {
  const first = await testbed.addSequencer({ HEARTH_NODE_ID });
  await testbed.addSequencer({ HEARTH_NODE_ID });
  const owners = 'select owner, count(*)::int from partition_state where owner is not null group by owner';
  const shares = async () => (await testbed.sql.query<{ count: number }>(owners)).rows.map(({ count }) => count);
  await eventually(async () => expect(await shares()).toEqual([PARTITIONS / 2, PARTITIONS / 2]));
  await first.stop();
  await eventually(async () => expect(await shares()).toEqual([PARTITIONS]));
  const sent = await published();
  await eventually(async () => expect(await logged()).toBe(sent));
});
