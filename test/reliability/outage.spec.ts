import { Cluster } from './cluster';
import { Load } from './load';
import { judge, NO_OFFENCE } from './oracle';

let cluster: Cluster;
let load: Load;

beforeAll(async () => (cluster = await Cluster.start()));
afterAll(() => cluster.stop());

afterEach(() => load.abandon());

async function startLoad(name: string, seed: number): Promise<void> {
  load = new Load(cluster, { name, seed, channels: ['alpha', 'beta', 'gamma'] });
  await load.start();
  await load.progress(30);
}

/** Everything healed, nobody who did not want to was disconnected, and no process ended. */
async function expectNoHarm(): Promise<void> {
  await load.progress(30);
  const verdict = judge(await load.finish());
  process.stdout.write(load.summary());
  expect(verdict).toEqual(NO_OFFENCE);
  for (const client of [...load.steady, ...load.socketPublishers]) expect(client.closes).toEqual([]);
  expect(cluster.troubles).toEqual([]);
}

describe('a cluster under load', () => {
  it('catches up after NATS was restarted in good order', async () => {
    await startLoad('nats-restarted', 2);
    await cluster.nats.restart();
    await expectNoHarm();
  });

  it('goes on when its database connections are cut again and again', async () => {
    await startLoad('postgres-cut', 3);
    for (let cut = 0; cut < 5; cut++) {
      expect(await cluster.cutDatabaseConnections()).toBeGreaterThan(0);
      await load.progress(10);
    }
    await expectNoHarm();
    expect([...load.refusals]).toEqual([]);
  });
});
