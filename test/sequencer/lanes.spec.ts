import { encodeIngestEvent, encodeLanePlace, ingestSubject, partitionOf } from '@hearth/wire';
import { randomUUID } from 'node:crypto';
import { AckedPublisher } from '@hearth/stream';
import { delivered } from '../support/delivered';
import { eventually } from '../support/eventually';
import { PARTITIONS, Testbed } from './testbed';

let testbed: Testbed;
let publisher: AckedPublisher;
beforeEach(async () => {
  testbed = await Testbed.start();
  publisher = new AckedPublisher(testbed.connection);
});
afterEach(async () => {
  publisher.close();
  await testbed.stop();
});

const CHANNEL = 'c';

/** As a publisher's message stands in the stream whose lane has this name. */
async function store(data: string, lane: string, number: number): Promise<void> {
  const event = {
    requestId: randomUUID(),
    channel: CHANNEL,
    event: 'e',
    trigger: 'server.http',
    store: 60,
    emitPubSubEvent: false,
  } as const;
  const subject = ingestSubject(partitionOf(CHANNEL, PARTITIONS));
  const messageId = encodeLanePlace({ lane, number });
  await publisher.publish(subject, encodeIngestEvent(event, JSON.stringify(data)), { messageId });
}

const datas = async (count: number): Promise<unknown[]> =>
  (await delivered(testbed.connection, count)).map(({ data }) => data);

it('leaves out what stands behind a later message of its publisher, also when that was another owner’s', async () => {
  const first = await testbed.addSequencer();
  await store('a1', 'a', 1);
  await store('a3', 'a', 3);
  await store('b9', 'b', 9);
  await store('a2', 'a', 2);
  await store('a4', 'a', 4);
  expect(await datas(4)).toEqual(['a1', 'a3', 'b9', 'a4']);
  await eventually(async () => {
    const { rows } = await testbed.sql.query<{ lanes: string }>('select lanes from partition_state');
    expect(rows.map(({ lanes }) => lanes)).toContain('b:9 a:4');
  });

  await first.kill('SIGKILL');
  await store('b8', 'b', 8);
  await store('a5', 'a', 5);
  await testbed.addSequencer();
  expect(await datas(5)).toEqual(['a1', 'a3', 'b9', 'a4', 'a5']);
});
