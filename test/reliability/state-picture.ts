import { setTimeout as delay } from 'node:timers/promises';
import { connect } from 'nats';
import type { Cluster } from './cluster';

/** What is looked at may be what does not answer. */
const ANSWERED_WITHIN_MS = 10_000;

/** What streams and partitions look like at this moment, as text: for whoever looks for the reason of something. */
export async function statePicture({ natsServers, sql }: Cluster): Promise<string> {
  const unanswered = (): Promise<never> =>
    delay(ANSWERED_WITHIN_MS, undefined, { ref: false }).then(() => Promise.reject(new Error('no answer')));
  const parts = [
    sql.query('select * from partition_state order by partition').then(({ rows }) => rows),
    sql.query('select *, now() from sequencer_lease').then(({ rows }) => rows),
    streams(natsServers.map(({ url }) => url)),
  ];
  const settled = await Promise.allSettled(parts.map((part) => Promise.race([part, unanswered()])));
  return settled
    .flatMap((one) => (one.status === 'fulfilled' ? one.value : [String(one.reason)]))
    .map((one) => JSON.stringify(one))
    .join('\n');
}

async function streams(servers: string[]): Promise<unknown[]> {
  const connection = await connect({ servers, reconnect: false });
  try {
    const manager = await connection.jetstreamManager({ checkAPI: false });
    const all: unknown[] = [];
    for await (const { config, state, cluster } of manager.streams.list()) {
      all.push({ name: config.name, state, cluster });
      for await (const consumer of manager.consumers.list(config.name)) all.push({ of: config.name, consumer });
    }
    return all;
  } finally {
    await connection.close();
  }
}
