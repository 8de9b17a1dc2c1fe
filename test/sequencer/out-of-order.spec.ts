import { idTimeMs } from '@hearth/protocol';
import { AckedPublisher } from '@hearth/stream';
import { DELIVER_STREAM, deliverSubject, partitionOf } from '@hearth/wire';
import { randomUUID } from 'node:crypto';
import { delivered } from '../support/delivered';
import { eventually } from '../support/eventually';
import { PARTITIONS, Testbed } from './testbed';

/** What an owner finds in the deliver stream that is not in the order of places, as a cluster's may be. */
const CHANNEL = 'out-of-order';
const PARTITION = partitionOf(CHANNEL, PARTITIONS);

let testbed: Testbed;
beforeEach(async () => {
  testbed = await Testbed.start();
});
afterEach(() => testbed.stop());

async function publish(...all: readonly string[]): Promise<void> {
  const event = { channel: CHANNEL, event: 'e', trigger: 'server.http', store: 0, emitPubSubEvent: false } as const;
  for (const data of all) {
    await eventually(() => testbed.ingest.publish({ requestId: randomUUID(), ...event }, JSON.stringify(data)));
  }
}

const untilSaved = (sequence: number): Promise<void> =>
  eventually(async () => {
    const { rows } = await testbed.sql.query('select seq::int from partition_state where partition = $1', [PARTITION]);
    expect(rows).toEqual([{ seq: sequence }]);
  });

it('what it has lost is sent again, although it holds what stands behind that, and its owner has ended', async () => {
  const sequencer = await testbed.addSequencer();
  await publish('before');
  await untilSaved(1);
  // No position is saved from now on.
  await testbed.sql.query('begin');
  await testbed.sql.query('select from partition_state for update');
  await publish('lost', 'kept');
  const [, lost, kept] = await delivered(testbed.connection, 3);
  await sequencer.kill('SIGKILL');
  await testbed.sql.query('rollback');
  await (await testbed.connection.manager()).streams.deleteMessage(DELIVER_STREAM, lost!.sequence);
  await testbed.addSequencer();
  await publish('behind');
  const all = await delivered(testbed.connection, 4);
  expect(all.map(({ data }) => data)).toEqual(['before', 'kept', 'lost', 'behind']);
  expect(all[2]).toMatchObject({ id: lost!.id, position: lost!.position });
  expect(all[3]?.previous).toEqual(kept!.position);
});

it('the furthest message of a channel is its last, although the newest is a late repeat of an earlier one', async () => {
  const sequencer = await testbed.addSequencer();
  await publish('first', 'last');
  const [first, last] = await delivered(testbed.connection, 2);
  await untilSaved(2);
  await sequencer.kill('SIGKILL');
  await testbed.sql.query('delete from channel_end');
  await testbed.sql.query('delete from channel_end_note');
  // As from a sequencer that was paused, and goes on.
  await eventually(() => expect(Date.now()).toBeGreaterThan(idTimeMs(first!.id) + 1_000));
  const publisher = new AckedPublisher(testbed.connection);
  await publisher.publish(deliverSubject(CHANNEL), first!.payload);
  publisher.close();
  await testbed.addSequencer();
  await eventually(async () => {
    const { rows } = await testbed.sql.query('select id from channel_end where channel = $1', [CHANNEL]);
    expect(rows).toEqual([{ id: last!.id }]);
  });
  await publish('behind');
  const all = await delivered(testbed.connection, 4);
  expect(all.map(({ data }) => data)).toEqual(['first', 'last', 'first', 'behind']);
  expect(all[3]?.previous).toEqual(last!.position);
});
