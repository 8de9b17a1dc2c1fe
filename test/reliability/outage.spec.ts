import { Cluster } from './cluster';
import { Load } from './load';
import { judge, NO_OFFENCE } from './oracle';

let cluster: Cluster;
let load: Load;

// The chaos runs have each service as a process of its own; this is what `npm start` runs.
beforeAll(async () => (cluster = await Cluster.start({ isAllInOne: true })));
afterAll(() => cluster.stop());

afterEach(() => load.abandon());

it('two all-in-ones under load lose nothing that was accepted, and keep one order for all, when what they need goes away', async () => {
  load = new Load(cluster, { name: 'outage', seed: 3, channels: ['alpha', 'beta', 'gamma'] });
  await load.start();
  await load.progress(30);

  for (let cut = 0; cut < 5; cut++) {
    expect(await cluster.cutDatabaseConnections()).toBeGreaterThan(0);
    await load.progress(10);
  }
  expect([...load.refusals]).toEqual([]);

  await cluster.nats.restart();
  await load.progress(30);
  await cluster.nats.kill();
  await cluster.nats.restart();
  await load.progress(20);
  // Nobody who did not want to was disconnected.
  for (const client of [...load.steady, ...load.socketPublishers]) expect(client.closes).toEqual([]);

  const [first] = cluster.nodes;
  await first?.kill();
  await load.progress(20);
  await first?.start();
  await load.progress(30);
  const verdict = judge(await load.finish());
  process.stdout.write(load.summary());
  expect(verdict).toEqual(NO_OFFENCE);
  expect(cluster.troubles).toEqual([]);
});
