import { join } from 'node:path';
import { eventually } from '../support/eventually';
import type { AppProcess } from '../support/process';
import { Cluster, type Preload } from './cluster';
import { Load } from './load';
import { judge, NO_OFFENCE } from './oracle';

/** A process that finds one of its invariants broken gives up what is wrong and nothing else, and nobody loses anything. */
let cluster: Cluster;
let load: Load;
beforeAll(async () => (cluster = await Cluster.start()));
afterAll(() => cluster?.stop());
afterEach(() => load?.abandon());

const breaking = (...invariants: string[]): Preload => ({
  NODE_OPTIONS: `--require=${join(__dirname, '../support/invariant-mutant.cjs')}`,
  HEARTH_TEST_MUTANT: invariants.join(),
});

/** Which were found broken, and how often. */
async function found({ adminPort }: AppProcess): Promise<Record<string, number>> {
  const text = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text();
  const samples = text.matchAll(/^hearth_invariant_broken_total\{invariant="([\w-]+)"\} (\d+)$/gm);
  return Object.fromEntries([...samples].map(([, name, count]) => [name, Number(count)]));
}

it('sequencers and gateways that break each invariant once are found out, and lose, double and invert nothing', async () => {
  const mutants = [
    [cluster.sequencers, ['ids-rise', 'position-rises', 'mark-rises']],
    [cluster.gateways, ['order-rises', 'names-earlier', 'own-slot']],
  ] as const;
  for (const [nodes, invariants] of mutants) {
    for (const node of nodes) {
      await node.stop();
      await node.start(breaking(...invariants));
    }
  }
  load = new Load(cluster, { name: 'invariants', channels: ['alpha', 'beta', 'gamma'] });
  await load.start();
  for (const [nodes, invariants] of mutants) {
    await eventually(async () => {
      const names = (await Promise.all(nodes.map(({ app }) => found(app)))).flatMap((counts) => Object.keys(counts));
      expect([...new Set(names)].sort()).toEqual([...invariants].sort());
    });
  }
  await load.progress(50);
  const verdict = judge(await load.finish());
  process.stdout.write(load.summary());
  expect(verdict).toEqual(NO_OFFENCE);
});
