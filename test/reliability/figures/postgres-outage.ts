import { partitionOf } from '@hearth/wire';
import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../../support/eventually';
import { connect, type WsClient } from '../../support/ws-client';
import { type Cluster, PARTITIONS } from '../cluster';
import { Load } from '../load';
import { post } from '../publishers';
import { type Figure, offences, secondsSince } from './figure';

const OUTAGE_MS = { full: 10_000, small: 1_500 };
const EPHEMERAL_EVERY_MS = 20;

/** R7: Postgres gone, ephemeral messages keep flowing, durable ones are refused or wait. */
export const postgresOutage: Figure = {
  promise: 'R7',
  title: 'Postgres is killed and comes back',
  measure: async ({ size, startCluster }) => {
    const cluster = await startCluster();
    // Order holds within a partition, so messages that need no Postgres flow where nothing is before them that does.
    const channelIn = (partition: number, name: string): string => {
      for (let n = 0; ; n++) if (partitionOf(`${name}-${n}`, PARTITIONS) === partition) return `${name}-${n}`;
    };
    const name = 'postgres-outage';
    const durable = [0, 1].map((partition) => channelIn(partition, `${name}.durable`).slice(name.length + 1));
    const load = new Load(cluster, { name, channels: durable });
    const client = await connect(cluster.gatewayUrls[0] ?? '', cluster.token('reader'));
    const flow = new EphemeralFlow(cluster, client, channelIn(2, 'fleeting'));
    try {
      await load.start();
      await flow.start();
      await load.progress(30);
      await cluster.postgres.kill();
      load.shake();
      const waiting = await flow.lostUntil(OUTAGE_MS[size]);
      await cluster.postgres.restart();
      const backAt = performance.now();
      await load.heal();
      const recovery = secondsSince(backAt);
      await load.progress(30);
      const evidence = await load.finish();
      process.stdout.write(load.summary());
      const closes = [...load.steady, ...load.socketPublishers].flatMap((one) => one.closes);
      const ended = cluster.nodes.filter(({ isRunning }) => !isRunning);
      return [
        { what: 'lost, phantom, doubled, inverted, disagreeing or leaked', measured: offences(evidence), atMost: 0 },
        { what: 'processes that ended', measured: ended.length, atMost: 0 },
        { what: 'connections that were closed', measured: closes.length, atMost: 0 },
        { what: 'ephemeral messages that did not come while it was away', measured: waiting, atMost: 0 },
        {
          what: 'until everybody had a durable message that was published afterwards',
          measured: recovery,
          atMost: 5,
          unit: 's',
        },
      ];
    } finally {
      load.abandon();
      await client.close();
    }
  },
};

/** Messages that need no Postgres, and one who reads them. */
class EphemeralFlow {
  private n = 0;

  constructor(
    private readonly cluster: Cluster,
    private readonly client: WsClient,
    private readonly channel: string,
  ) {}

  async start(): Promise<void> {
    this.client.send({ event: 'hotsock.subscribe', channel: this.channel });
    await this.client.next('hotsock.subscribed');
    await this.publish();
  }

  /** Publishes for some time. @returns how many messages do not come, however long one waits */
  async lostUntil(forMs: number): Promise<number> {
    const end = performance.now() + forMs;
    while (performance.now() < end) {
      await this.publish();
      await delay(EPHEMERAL_EVERY_MS);
    }
    const waiting = (): number => this.n - this.client.frames.filter(({ event }) => event === 'said').length;
    await eventually(() => {
      if (waiting() > 0) throw new Error(`${waiting()} ephemeral messages wait for Postgres`);
    }).catch((error: unknown) => process.stderr.write(`${String(error)}\n`));
    return waiting();
  }

  private async publish(): Promise<void> {
    const { publishUrls, apiKey } = this.cluster;
    const node = publishUrls[this.n % publishUrls.length] ?? '';
    const document = { channel: this.channel, event: 'said', data: { n: this.n++ } };
    const answer = await post(node, apiKey, '/publish', document);
    if (typeof answer !== 'object' || answer.status !== 202) throw new Error(`publish: ${JSON.stringify(answer)}`);
  }
}
