import { Cluster, Node } from './cluster';
import { Load } from './load';
import { judge, NO_OFFENCE } from './oracle';

let cluster: Cluster;
let load: Load;
beforeEach(async () => (cluster = await Cluster.start()));
afterEach(async () => {
  load.abandon();
  await cluster.stop();
});

describe('a cluster under load whose processes are killed one after the other', () => {
  it('loses nothing it accepted, repeats nothing on a live connection and keeps one order for all', async () => {
    load = new Load(cluster, { name: 'kill', channels: ['alpha', 'beta', 'gamma', 'delta', 'epsilon'] });
    await load.start();
    await load.progress(50);
    const [publishApi, sequencer, gateway, history] = firstOfEachKind(cluster);
    for (const victim of [publishApi, sequencer, history, gateway]) {
      await victim.kill();
      await load.progress(50);
      await victim.start();
      await load.progress(20);
    }
    const verdict = judge(await load.finish());
    process.stdout.write(load.summary());
    expect(verdict).toEqual(NO_OFFENCE);
    const [onKilledGateway, onOtherGateway] = load.steady;
    expect(onOtherGateway?.connectionCount).toBe(1);
    expect(onKilledGateway?.connectionCount).toBeGreaterThan(1);
    expect(cluster.troubles).toEqual([]);
  });
});

function firstOfEachKind({ publishApis, sequencers, gateways, histories }: Cluster): [Node, Node, Node, Node] {
  return [publishApis[0]!, sequencers[0]!, gateways[0]!, histories[0]!];
}
