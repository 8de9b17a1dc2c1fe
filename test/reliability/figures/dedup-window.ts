import { idTimeMs } from '@hearth/protocol';
import { setTimeout as delay } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { eventually } from '../../support/eventually';
import type { Frame } from '../../support/ws-client';
import type { Cluster } from '../cluster';
import { post } from '../publishers';
import { DEDUPLICATION_SECONDS } from './cluster-settings';
import type { Figure } from './figure';

const IDS = { full: 1_000_000, small: 5_000 };
/** What one request may hold. */
const BATCH = 100;
const AT_ONCE = 8;
/** In different partitions, so that two sequencers decide about one id. */
const CHANNELS = ['dedup-a', 'dedup-b', 'dedup-c', 'dedup-d', 'dedup-e', 'dedup-f'];
/** Requests after which a sequencer is killed and started again, and what came just before is sent a third time. */
const KILL_EVERY = { full: 1_000, small: 25 };
const SENT_AGAIN = 50;
/** Ids whose window has ended that are tried once more. */
const AFTER_WINDOW = 1_000;

/** R10: of all messages with one `deduplicationId` one appears within the window, and after it the next. */
export const dedupWindow: Figure = {
  promise: 'R10',
  title: 'two copies of every id at the same instant on two nodes, over kills of sequencers',
  measure: async ({ size, startCluster }) => {
    const cluster = await startCluster();
    const arrivals = await Arrivals.open(cluster, IDS[size]);
    const requests = IDS[size] / BATCH;
    let next = 0;
    let kills = 0;
    let copies = 0;
    const publish = async (request: number, copy: number): Promise<void> => {
      copies++;
      // The second copy is in another channel every other time.
      const channel = CHANNELS[(request + (copy % 2) * (request % 2)) % CHANNELS.length] ?? '';
      await publishBatch(cluster, copy, channel, request * BATCH);
    };
    const lane = async (): Promise<void> => {
      for (let request = next++; request < requests; request = next++) {
        await Promise.all([publish(request, 0), publish(request, 1)]);
        if ((request + 1) % KILL_EVERY[size] !== 0) continue;
        const victim = cluster.sequencers[kills++ % 2];
        await victim?.kill();
        const first = Math.max(0, request - SENT_AGAIN);
        await Promise.all(Array.from({ length: request - first }, (_, n) => publish(first + n, 2)));
        await victim?.start();
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, lane));
    await arrivals.complete(cluster);
    const doubles = arrivals.doubles;
    process.stdout.write(`${IDS[size]} ids, ${copies * BATCH} copies, ${kills} kills of a sequencer\n`);
    const readings = [
      { what: `of ${IDS[size].toLocaleString('en')} ids never delivered`, measured: arrivals.missing, atMost: 0 },
      { what: 'delivered twice within the window', measured: doubles, atMost: 0 },
    ];
    if (size === 'full') {
      await delay(1_000 * (DEDUPLICATION_SECONDS + 2));
      const before = arrivals.total;
      for (let from = 0; from < AFTER_WINDOW; from += BATCH) {
        await Promise.all([0, 1].map((copy) => publishBatch(cluster, copy, CHANNELS[copy] ?? '', from)));
      }
      await arrivals.complete(cluster);
      const wrong = Math.abs(arrivals.total - before - AFTER_WINDOW) + arrivals.doubles;
      readings.push({
        what: `of ${AFTER_WINDOW} ids not delivered once more after the window`,
        measured: wrong,
        atMost: 0,
      });
    }
    arrivals.close();
    return readings;
  },
};

async function publishBatch(cluster: Cluster, copy: number, channel: string, from: number): Promise<void> {
  const documents = Array.from({ length: BATCH }, (_, n) => ({
    channel,
    event: 'said',
    data: from + n,
    deduplicationId: `id-${from + n}`,
  }));
  const node = cluster.publishUrls[copy % 2] ?? '';
  const answer = await post(node, cluster.apiKey, '/publish/batch', documents);
  if (typeof answer !== 'object' || answer.status !== 202) throw new Error(`publish: ${JSON.stringify(answer)}`);
}

/** What came of each number, which is also the number of its id. */
class Arrivals {
  total = 0;
  doubles = 0;
  /** Time part of the id of the last message with it, ms since 1970; 0 when none came. */
  private readonly lastMs: Float64Array;
  private marks = 0;
  private readonly seenMarks = new Set<string>();
  private closedWith: number | undefined;

  private constructor(
    private readonly socket: WebSocket,
    ids: number,
  ) {
    this.lastMs = new Float64Array(ids);
    socket.on('message', (text: Buffer) => this.take(JSON.parse(text.toString('utf8'))));
    socket.on('close', (code) => (this.closedWith = code));
  }

  static async open(cluster: Cluster, ids: number): Promise<Arrivals> {
    const socket = new WebSocket(`${cluster.gatewayUrls[0]}?token=${cluster.token('reader')}`);
    const arrivals = new Arrivals(socket, ids);
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
    for (const channel of CHANNELS) socket.send(JSON.stringify({ event: 'hotsock.subscribe', channel }));
    await arrivals.complete(cluster);
    return arrivals;
  }

  get missing(): number {
    return this.lastMs.reduce((sum, ms) => sum + (ms === 0 ? 1 : 0), 0);
  }

  /** Waits until everything that was published before has come. */
  async complete({ publishUrls, apiKey }: Cluster): Promise<void> {
    const data = `mark ${this.marks++}`;
    await eventually(async () => {
      for (const channel of CHANNELS) {
        if (this.seenMarks.has(`${channel} ${data}`)) continue;
        const answer = await post(publishUrls[0] ?? '', apiKey, '/publish', { channel, event: 'said', data });
        if (typeof answer !== 'object' || answer.status !== 202) throw new Error(`mark: ${JSON.stringify(answer)}`);
      }
      if (this.closedWith !== undefined) throw new Error(`the reader was closed with ${this.closedWith}`);
      if (!CHANNELS.every((channel) => this.seenMarks.has(`${channel} ${data}`))) throw new Error('not all came');
    }, 600_000);
  }

  close(): void {
    this.socket.terminate();
  }

  private take({ event, channel, id, data }: Frame): void {
    if (event !== 'said') return;
    if (typeof data !== 'number') return void this.seenMarks.add(`${channel} ${data}`);
    this.total++;
    const atMs = idTimeMs(id as string);
    const before = this.lastMs[data] ?? 0;
    if (before !== 0 && atMs - before < DEDUPLICATION_SECONDS * 1_000) this.doubles++;
    this.lastMs[data] = atMs;
  }
}
