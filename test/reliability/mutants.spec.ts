import { Cluster, mutant } from './cluster';
import { Load } from './load';
import { judge, type Offence } from './oracle';

/** Gateways that break a promise are found out: the oracle sees what a client would see. */
let cluster: Cluster;
let load: Load;
beforeAll(async () => (cluster = await Cluster.start()));
afterAll(() => cluster?.stop());
afterEach(() => load?.abandon());

/** What a load finds wrong on two gateways, each a mutant, and how many it let in who must stay out. */
async function foundOn(...mutants: [Parameters<typeof mutant>[0], Parameters<typeof mutant>[0]]) {
  for (const [index, gateway] of cluster.gateways.entries()) {
    await gateway.stop();
    await gateway.start(mutant(mutants[index]!));
  }
  load = new Load(cluster, { name: mutants.join('-'), channels: ['alpha', 'beta'], isVaried: true });
  await load.start();
  await load.progress(100);
  const { examples, ...counts } = judge(await load.finish());
  process.stdout.write(`${load.summary()}${examples.join('\n')}\n`);
  const found = Object.entries(counts).filter(([, count]) => count > 0);
  return { offences: found.map(([offence]) => offence as Offence), leaks: load.intruder?.leaks.length ?? 0 };
}

it('gateways that drop one of 10,000 messages, and send one of 10,000 twice', async () => {
  const { offences, leaks } = await foundOn('drop', 'repeat');
  expect(offences).toEqual(expect.arrayContaining(['lost', 'duplicate']));
  expect(leaks).toBe(0);
});

it('gateways that swap two of 10,000 messages, and skip a permission check', async () => {
  const { offences, leaks } = await foundOn('swap', 'permission');
  // Where one of the two is the sender's own, which it must not get, the swap gives it that one for the other: lost, leaked.
  expect(offences).toContain('inverted');
  expect(leaks).toBeGreaterThan(0);
});
