import { deliverSubject, DELIVER_STREAM, encodeDeliverRecord } from '@hearth/wire';
import { AckedPublisher, ensureStreams, lastDelivered, readDelivered, StreamConnection } from '@hearth/stream';
import { eventually } from '../support/eventually';
import { startNatsCluster, type TestNatsCluster } from '../support/nats-cluster';

const SETTINGS = {
  partitions: 1,
  ingestMaxBytes: 1_048_576,
  deliverMaxBytes: 16 * 1_048_576,
  deliverMaxAgeSeconds: 600,
  streamReplicas: 3,
};
const silent = { info: () => undefined, warn: () => undefined };
const connections: StreamConnection[] = [];
async function open(url: string): Promise<StreamConnection> {
  const connection = await StreamConnection.open({ natsUrls: url.split(',') }, 'test', silent);
  connections.push(connection);
  return connection;
}

let nats: TestNatsCluster;
beforeAll(async () => {
  nats = await startNatsCluster(true);
});
afterAll(async () => {
  await Promise.all(connections.map((connection) => connection.close()));
  await nats?.stop();
});

const payload = (sequence: number) =>
  encodeDeliverRecord({
    position: { epoch: 0, sequence },
    previous: undefined,
    id: '01JA3S0TNEC2QBYMZRBMCEXGNW',
    frame: Buffer.from('{}'),
  });

it('the last record of a channel is never an older one that a server has that is cut off from the others', async () => {
  const anywhere = await open(nats.url);
  await eventually(() => ensureStreams(anywhere, SETTINGS));
  const leader = await eventually(() => nats.leaderOf(DELIVER_STREAM));
  const follower = nats.members.find(({ name }) => name !== leader.name)!;
  const [near, far] = [await eventually(() => open(follower.url)), await eventually(() => open(leader.url))];
  const publisher = new AckedPublisher(far);
  const last = async () => (await lastDelivered(near, 'c'))?.record.position.sequence;
  try {
    await publisher.publish(deliverSubject('c'), payload(1));
    await eventually(async () => expect(await last()).toBe(1));
    await nats.untilWhole();
    follower.isolate();
    await publisher.publish(deliverSubject('c'), payload(2));
    // It is not known at the moment, whichever copy is asked.
    const answers = await Promise.allSettled(Array.from({ length: 20 }, last));
    expect(answers.filter(({ status }) => status === 'fulfilled')).toEqual([]);
    follower.rejoin();
    await eventually(async () => expect(await last()).toBe(2));
    // A server that has just come back may leave a question unanswered.
    await eventually(async () => expect(await lastDelivered(near, 'never')).toBeUndefined());
    for (const channel of ['c', undefined]) {
      const read = await eventually(async () => {
        const all: number[] = [];
        await readDelivered(near, 'first', channel, (_, { record }) => all.push(record.position.sequence));
        return all;
      });
      expect(read).toEqual([1, 2]);
    }
  } finally {
    follower.rejoin();
    publisher.close();
  }
});
