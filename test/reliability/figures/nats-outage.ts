import { setTimeout as delay } from 'node:timers/promises';
import type { Cluster } from '../cluster';
import { Load } from '../load';
import { post } from '../publishers';
import { type Figure, offences, secondsSince } from './figure';

const OUTAGE_MS = { full: 10_000, small: 1_500 };
const REFUSALS_EVERY_MS = 20;
/** By then every node has noticed. What was under way before may yet be confirmed, and is given all of its 5 s for that. */
const NOTICED_AFTER_MS = 500;

/** R6: NATS gone, sockets stay, publishes fail fast and clearly, then all catches up. */
export const natsOutage: Figure = {
  promise: 'R6',
  title: 'NATS is killed and comes back',
  measure: async ({ size, startCluster }) => {
    const cluster = await startCluster();
    const load = new Load(cluster, { name: 'nats-outage', channels: ['alpha', 'beta', 'gamma'] });
    try {
      await load.start();
      await load.progress(30);
      await cluster.nats.kill();
      load.shake();
      await delay(NOTICED_AFTER_MS);
      const slowestMs = await slowestRefusal(cluster, OUTAGE_MS[size] - NOTICED_AFTER_MS);
      await cluster.nats.restart();
      const backAt = performance.now();
      await load.heal();
      const recovery = secondsSince(backAt);
      await load.progress(30);
      const evidence = await load.finish();
      process.stdout.write(load.summary());
      const closes = [...load.steady, ...load.socketPublishers].flatMap((client) => client.closes);
      return [
        { what: 'lost, phantom, doubled, inverted, disagreeing or leaked', measured: offences(evidence), atMost: 0 },
        { what: 'connections that were closed', measured: closes.length, atMost: 0 },
        {
          what: 'processes that ended or logged an error',
          measured: cluster.troubles.length,
          atMost: 0,
        },
        { what: 'slowest 503 while NATS was away', measured: slowestMs, atMost: 1_000, unit: 'ms' },
        {
          what: 'until everybody had a message that was published afterwards',
          measured: recovery,
          atMost: 10,
          unit: 's',
        },
      ];
    } finally {
      load.abandon();
    }
  },
};

/** Publishes for some time to nodes that have no NATS. @returns the longest that an answer took, ms */
async function slowestRefusal({ publishUrls, apiKey }: Cluster, forMs: number): Promise<number> {
  const end = performance.now() + forMs;
  let slowest = 0;
  for (let n = 0; performance.now() < end; n++) {
    const askedAt = performance.now();
    const answer = await post(publishUrls[n % publishUrls.length] ?? '', apiKey, '/publish', {
      channel: 'refused',
      event: 'said',
    });
    if (typeof answer !== 'object' || answer.status !== 503) throw new Error(`not a 503: ${JSON.stringify(answer)}`);
    slowest = Math.max(slowest, performance.now() - askedAt);
    await delay(REFUSALS_EVERY_MS);
  }
  return Math.round(slowest);
}
