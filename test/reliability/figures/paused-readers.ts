import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../../support/eventually';
import { RawReader } from '../../support/raw-reader';
import { connect, type WsClient } from '../../support/ws-client';
import type { Cluster } from '../cluster';
import { post } from '../publishers';
import type { Figure } from './figure';
import { residentMiB } from './vital-signs';

const SIZES = {
  full: { readers: 200, others: 20, windows: 8, windowMs: 10_000 },
  small: { readers: 20, others: 5, windows: 1, windowMs: 1_000 },
};
const CHANNEL = 'shared-with-paused';
/** Before each window: more than the system keeps for a socket that is not read, and less than makes the gateway cut it off. */
const BACKLOG = { messages: 130, bytes: 30_000, atOnce: 5 };
const SETTLING_MESSAGES = 50;
const PUBLISH_EVERY_MS = 40;
/** `HEARTH_WS_MAX_BACKLOG_BYTES` */
const BACKLOG_MIB = 4;

/** What the others of one window saw. */
interface Window {
  readonly p99Ms: number;
  /** Of the gateway, MiB. */
  readonly memory: number;
  readonly lost: number;
}

/** R8: a slow reader harms only itself. */
export const pausedReaders: Figure = {
  promise: 'R8',
  title: 'readers that do not read, beside others in the same channel on the same gateway',
  measure: async ({ size, startCluster }) => {
    const cluster = await startCluster();
    const { readers, others: count, windows, windowMs } = SIZES[size];
    const others = await Promise.all(Array.from({ length: count }, (_, n) => Other.open(cluster, `other-${n}`)));
    const reading: Window[] = [];
    const paused: Window[] = [];
    // In turn, so that a drift of the machine meets both. The first pair only warms everything up.
    for (let n = 0; n <= windows; n++) {
      for (const [isPaused, results] of [
        [false, reading],
        [true, paused],
      ] as const) {
        const slow = await Promise.all(Array.from({ length: readers }, () => openReader(cluster)));
        if (isPaused) for (const reader of slow) reader.pause();
        const window = await measureWindow(cluster, others, windowMs);
        if (n > 0) results.push(window);
        for (const reader of slow) reader.close();
      }
    }
    await Promise.all(others.map(({ client }) => client.close()));
    const p99 = (results: readonly Window[]): number => median(results.map(({ p99Ms }) => p99Ms));
    const memory = (results: readonly Window[]): number => Math.max(...results.map((window) => window.memory));
    process.stdout.write(
      `p99 of ${count} others beside ${readers} that read: ${p99(reading)} ms, beside as many paused: ${p99(paused)} ms\n`,
    );
    return [
      {
        what: 'messages that the others did not get',
        measured: [...reading, ...paused].reduce((sum, { lost }) => sum + lost, 0),
        atMost: 0,
      },
      {
        what: `p99 of the others beside ${readers} paused readers, above that beside ${readers} that read`,
        measured: Math.round((p99(paused) / p99(reading) - 1) * 100),
        atMost: 10,
        unit: '%',
      },
      {
        what: `memory for ${readers} paused readers`,
        measured: Math.max(0, memory(paused) - memory(reading)),
        atMost: readers * BACKLOG_MIB,
        unit: 'MiB',
      },
    ];
  },
};

/** One that reads, and how long its messages took. */
class Other {
  latenciesMs: number[] = [];
  arrivals = 0;

  private constructor(readonly client: WsClient) {
    client.socket.removeAllListeners('message').on('message', (text: Buffer) => {
      this.arrivals++;
      const sentAt = /"sentAt":([\d.]+)/.exec(text.toString('latin1', 0, 300))?.[1];
      if (sentAt !== undefined) this.latenciesMs.push(performance.now() - Number(sentAt));
    });
  }

  static async open(cluster: Cluster, uid: string): Promise<Other> {
    const client = await connect(cluster.gatewayUrls[0] ?? '', cluster.token(uid));
    client.send({ event: 'hotsock.subscribe', channel: CHANNEL });
    await client.next('hotsock.subscribed');
    return new Other(client);
  }
}

const openReader = (cluster: Cluster): Promise<RawReader> =>
  RawReader.open(cluster.gatewayUrls[0] ?? '', cluster.token('slow'), CHANNEL);

async function measureWindow(cluster: Cluster, others: readonly Other[], forMs: number): Promise<Window> {
  for (const other of others) other.arrivals = 0;
  const padding = 'x'.repeat(BACKLOG.bytes);
  for (let n = 0; n < BACKLOG.messages; n += BACKLOG.atOnce) {
    await Promise.all(Array.from({ length: BACKLOG.atOnce }, () => publish(cluster, n, padding)));
  }
  // What the system still takes for those that do not read is over before others are timed.
  for (let n = 0; n < SETTLING_MESSAGES; n++) await publish(cluster, n, 'settling');
  await allArrived(others, BACKLOG.messages + SETTLING_MESSAGES);
  for (const other of others) other.latenciesMs = [];
  let published = 0;
  for (const end = performance.now() + forMs; performance.now() < end; published++) {
    await publish(cluster, published, { sentAt: performance.now() });
    await delay(PUBLISH_EVERY_MS);
  }
  const lost = await allArrived(others, BACKLOG.messages + SETTLING_MESSAGES + published);
  const gateway = cluster.gateways[0]?.app;
  const memory = gateway === undefined ? 0 : await residentMiB(gateway);
  return {
    p99Ms: percentile(
      others.flatMap(({ latenciesMs }) => latenciesMs),
      0.99,
    ),
    memory,
    lost,
  };
}

/** Waits until everybody has so many messages. @returns how many never come */
async function allArrived(others: readonly Other[], each: number): Promise<number> {
  const missing = (): number => others.reduce((sum, { arrivals }) => sum + each - arrivals, 0);
  await eventually(() => {
    if (missing() > 0) throw new Error(`${missing()} messages are missing`);
  }).catch((error: unknown) => process.stderr.write(`${String(error)}\n`));
  return missing();
}

async function publish({ publishUrls, apiKey }: Cluster, n: number, data: unknown): Promise<void> {
  const node = publishUrls[n % publishUrls.length] ?? '';
  const answer = await post(node, apiKey, '/publish', { channel: CHANNEL, event: 'said', data });
  if (typeof answer !== 'object' || answer.status !== 202) throw new Error(`publish: ${JSON.stringify(answer)}`);
}

const median = (values: readonly number[]): number => percentile(values, 0.5);

function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return Math.round((sorted[Math.floor(share * (sorted.length - 1))] ?? 0) * 10) / 10;
}
