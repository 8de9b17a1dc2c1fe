import { Cluster } from './cluster';
import { FIGURES } from './figures/all-figures';
import { CLUSTER_SETTINGS } from './figures/cluster-settings';
import { holds } from './figures/figure';

/** What `npm run reliability` measures, small, and only what is counted: times depend on the machine. */
describe('the figures of the promises', () => {
  let cluster: Promise<Cluster> | undefined;
  const startCluster = (): Promise<Cluster> => (cluster ??= Cluster.start(CLUSTER_SETTINGS));
  afterAll(async () => (await cluster)?.stop());

  it.each(FIGURES.filter(({ smallIn }) => smallIn === undefined))('hold: $promise, $title', async (figure) => {
    const readings = await figure.measure({ size: 'small', startCluster });
    for (const { what, measured, unit = '' } of readings) process.stdout.write(`${what}: ${measured} ${unit}\n`);
    expect(readings.filter((reading) => reading.unit === undefined && !holds(reading))).toEqual([]);
  });
});
