import { Cluster } from './cluster';
import { Load } from './load';
import { judge, NO_OFFENCE } from './oracle';

let cluster: Cluster;
let load: Load;

// Kills and pauses of single services are tried with each as a process of its own; this is what `npm start` runs.
beforeAll(async () => (cluster = await Cluster.start({ isAllInOne: true })));
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

describe('two all-in-ones under load', () => {
  it('catch up after NATS was restarted in good order', async () => {
    await startLoad('nats-restarted', 2);
    await cluster.nats.restart();
    await expectNoHarm();
  });

  it('go on when its database connections are cut again and again', async () => {
    await startLoad('postgres-cut', 3);
    for (let cut = 0; cut < 5; cut++) {
      expect(await cluster.cutDatabaseConnections()).toBeGreaterThan(0);
      await load.progress(10);
    }
    await expectNoHarm();
    expect([...load.refusals]).toEqual([]);
  });

  it('lose nothing that was accepted, and keep one order for all, when NATS and one of them are killed', async () => {
    await startLoad('both-killed', 4);
    const [first] = cluster.nodes;
    await cluster.nats.kill();
    await cluster.nats.restart();
    await load.progress(20);
    await first?.kill();
    await load.progress(20);
    await first?.start();
    await load.progress(30);
    expect(judge(await load.finish())).toEqual(NO_OFFENCE);
    expect(cluster.troubles).toEqual([]);
  });
});
