import { decodeDeliverRecord, DELIVER_STREAM, ingestStream } from '@hearth/wire';
import { PullConsumer } from '@hearth/stream';
import { randomUUID } from 'node:crypto';
import { eventually } from '../support/eventually';
import { TcpProxy } from '../support/tcp-proxy';
import { Testbed } from './testbed';

let testbed: Testbed;
let nats: TcpProxy;
let postgres: TcpProxy;
beforeEach(async () => {
  testbed = await Testbed.start();
  nats = await TcpProxy.start(testbed.nats.port);
  postgres = await TcpProxy.start(Number(new URL(testbed.database.url).port));
});
afterEach(async () => {
  await testbed.stop();
  await Promise.all([nats.stop(), postgres.stop()]);
});

function publish(data: number): Promise<void> {
  const event = { channel: 'c', event: 'e', trigger: 'server.http', store: 0, emitPubSubEvent: false } as const;
  return testbed.ingest.publish({ requestId: randomUUID(), ...event }, String(data));
}

/** The data of what has been delivered. */
async function delivered(): Promise<number[]> {
  const consumer = await PullConsumer.open(testbed.connection, DELIVER_STREAM, 'first');
  const records = consumer.pendingAtStart === 0 ? [] : await consumer.next(1_000);
  consumer.close();
  return records.map(
    ({ payload }) => (JSON.parse(String(decodeDeliverRecord(payload).frame)) as { data: number }).data,
  );
}

it('a sequencer that does not know that it has a successor sends nothing over what that has processed and dropped', async () => {
  const url = new URL(testbed.database.url);
  url.port = String(postgres.port);
  const HEARTH_NATS_URL = `nats://127.0.0.1:${nats.port}`;
  const sequencer = await testbed.addSequencer({ HEARTH_NATS_URL, HEARTH_DATABASE_URL: url.href });
  await publish(1);
  await eventually(async () => expect(await delivered()).toEqual([1]));
  nats.lose();
  postgres.halt();
  // What a successor does, but for what it delivers.
  await testbed.sql.query(`update partition_state set owner = 'successor', epoch = epoch + 1`);
  await publish(2);
  await publish(3);
  const stream = ingestStream(testbed.ingest.partitionOf('c'));
  const { streams, consumers } = await testbed.connection.manager();
  await streams.purge(stream, { keep: 1 });
  nats.find();
  nats.cut();
  await eventually(async () => {
    const readers = await consumers.list(stream).next();
    expect(
      readers.filter(({ num_pending, delivered }) => num_pending === 0 && delivered.consumer_seq === 1),
    ).toHaveLength(1);
  });
  postgres.goOn();
  await eventually(() => expect(sequencer.lines.join('\n')).toContain('another sequencer owns the partition now'));
  expect(await delivered()).toEqual([1]);
});
