import { idTimeMs } from '@hearth/protocol';
import { AckedPublisher, PullConsumer } from '@hearth/stream';
import { decodeDeliverRecord, DELIVER_STREAM, deliverSubject, type DeliverRecord, partitionOf } from '@hearth/wire';
import { randomUUID } from 'node:crypto';
import { eventually, LONGEST_WAIT_MS } from '../support/eventually';
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

interface Stored {
  readonly sequence: number;
  readonly payload: Uint8Array;
  readonly record: DeliverRecord;
  readonly data: unknown;
}

/** What the deliver stream holds, when that is so much. */
async function stored(count: number): Promise<Stored[]> {
  const all: Stored[] = [];
  const consumer = await PullConsumer.open(testbed.connection, DELIVER_STREAM, 'first');
  const giveUp = setTimeout(() => consumer.close(), LONGEST_WAIT_MS);
  try {
    while (all.length < count) {
      const messages = await consumer.next(1_000);
      if (messages.length === 0) throw new Error(`${all.length} of ${count} came`);
      for (const { sequence, payload } of messages) {
        const record = decodeDeliverRecord(payload);
        const { data } = JSON.parse(record.frame.toString('utf8')) as { data: unknown };
        all.push({ sequence, payload, record, data });
      }
    }
  } finally {
    clearTimeout(giveUp);
    consumer.close();
  }
  return all;
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
  const [, lost, kept] = await stored(3);
  await sequencer.kill('SIGKILL');
  await testbed.sql.query('rollback');
  await (await testbed.connection.manager()).streams.deleteMessage(DELIVER_STREAM, lost!.sequence);
  await testbed.addSequencer();
  await publish('behind');
  const all = await stored(4);
  expect(all.map(({ data }) => data)).toEqual(['before', 'kept', 'lost', 'behind']);
  expect(all[2]?.record).toMatchObject({ id: lost!.record.id, position: lost!.record.position });
  expect(all[3]?.record.previous).toEqual(kept!.record.position);
});

it('the furthest message of a channel is its last, although the newest is a late repeat of an earlier one', async () => {
  const sequencer = await testbed.addSequencer();
  await publish('first', 'last');
  const [first, last] = await stored(2);
  await untilSaved(2);
  await sequencer.kill('SIGKILL');
  await testbed.sql.query('delete from channel_end');
  await testbed.sql.query('delete from channel_end_note');
  // As from a sequencer that was paused, and goes on.
  await eventually(() => expect(Date.now()).toBeGreaterThan(idTimeMs(first!.record.id) + 1_000));
  const publisher = new AckedPublisher(testbed.connection);
  await publisher.publish(deliverSubject(CHANNEL), first!.payload);
  publisher.close();
  await testbed.addSequencer();
  await eventually(async () => {
    const { rows } = await testbed.sql.query('select id from channel_end where channel = $1', [CHANNEL]);
    expect(rows).toEqual([{ id: last!.record.id }]);
  });
  await publish('behind');
  const all = await stored(4);
  expect(all.map(({ data }) => data)).toEqual(['first', 'last', 'first', 'behind']);
  expect(all[3]?.record.previous).toEqual(last!.record.position);
});
