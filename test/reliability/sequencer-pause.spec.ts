import { eventually } from '../support/eventually';
import { Cluster } from './cluster';
import { Load } from './load';
import { judge, NO_OFFENCE } from './oracle';

let cluster: Cluster;
let load: Load;
beforeEach(async () => (cluster = await Cluster.start()));
afterEach(async () => {
  load.abandon();
  await cluster.stop();
});

/** Which node has how many partitions, by the database. */
async function owners(): Promise<Map<string, number>> {
  const { rows } = await cluster.sql.query<{ owner: string; count: number }>(
    'select owner, count(*)::int as count from partition_state where owner is not null group by owner',
  );
  return new Map(rows.map(({ owner, count }) => [owner, count]));
}

/** Waits until the lease of a paused sequencer ended so long ago, by the database's clock. */
async function leaseEndedAgo(seconds: number): Promise<void> {
  await eventually(async () => {
    const { rows } = await cluster.sql.query(
      'select from sequencer_lease where expires_at < now() - make_interval(secs => $1)',
      [seconds],
    );
    expect(rows.length).toBe(1);
  });
}

describe('a sequencer that stops and wakes up after another has taken its partitions', () => {
  it('loses, repeats and inverts nothing', async () => {
    load = new Load(cluster, {
      name: 'sequencer-pause',
      channels: ['alpha', 'beta', 'gamma', 'delta', 'epsilon', 'zeta'],
      paceMs: 4,
    });
    await load.start();
    await eventually(async () => expect((await owners()).size).toBe(2));
    await load.progress(100);
    const [stale] = cluster.sequencers;
    await stale?.pause();
    try {
      await eventually(async () => expect((await owners()).size).toBe(1));
      await leaseEndedAgo(4);
      await load.progress(100);
    } finally {
      stale?.resume();
    }
    // It has noticed by the time it is given its share again.
    await eventually(async () => expect((await owners()).size).toBe(2));
    load.shake();
    await load.progress(100);
    const verdict = judge(await load.finish());
    process.stdout.write(load.summary());
    expect(verdict).toEqual(NO_OFFENCE);
    for (const client of [...load.steady, ...load.socketPublishers]) expect(client.closes).toEqual([]);
    expect(cluster.troubles).toEqual([]);
  });
});
