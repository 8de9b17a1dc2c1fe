import { ensureStreams, extentOf, StreamConnection, type StreamSettings } from '@hearth/stream';
import { DELIVER_STREAM, ingestStream } from '@hearth/wire';
import { eventually } from '../support/eventually';
import { startNatsCluster, type TestNatsCluster } from '../support/nats-cluster';

const PARTITIONS = 4;
const SETTINGS: StreamSettings = {
  partitions: PARTITIONS,
  ingestMaxBytes: 16 * 1_048_576,
  deliverMaxBytes: 16 * 1_048_576,
  deliverMaxAgeSeconds: 60,
  streamReplicas: 3,
};
const silent = { info: () => undefined, warn: () => undefined };

let nats: TestNatsCluster;
let connections: StreamConnection[];

beforeAll(async () => {
  nats = await startNatsCluster();
  const open = () => StreamConnection.open({ natsUrls: nats.url.split(',') }, 'test', silent);
  connections = await Promise.all([open(), open(), open()]);
});
afterAll(async () => {
  await Promise.all((connections ?? []).map((connection) => connection.close()));
  await nats?.stop();
});

it('streams that several processes made at once are the same for a server that was restarted as for the others', async () => {
  // As processes do: what takes too long is tried again.
  await Promise.all(connections.map((connection) => eventually(() => ensureStreams(connection, SETTINGS))));
  const streams = [DELIVER_STREAM, ...Array.from({ length: PARTITIONS }, (_, partition) => ingestStream(partition))];
  const created = async () =>
    Object.fromEntries(
      await Promise.all(
        streams.map(async (name) => [name, (await eventually(() => extentOf(connections[0]!, name))).created]),
      ),
    );
  const before = await created();
  const [restarted] = nats.members;
  await restarted!.kill();
  await restarted!.restart();
  await nats.untilWhole();
  for (const stream of streams) {
    await eventually(async () => {
      if ((await nats.leaderOf(stream)) === restarted) return;
      await nats.stepDown(stream);
      throw new Error('another one leads');
    });
  }
  expect(await created()).toEqual(before);
});
