import { eventually } from '../support/eventually';
import { Cluster } from './cluster';
import { Journal } from './journal';
import { judge, NO_OFFENCE, type Evidence } from './oracle';
import { documentOf, post } from './publishers';
import { readHistory, readTable } from './kept';
import { Subscriber } from './subscriber';

let cluster: Cluster;
let journal: Journal;
let subscribers: Subscriber[];

beforeAll(async () => (cluster = await Cluster.start()));
afterAll(() => cluster.stop());

beforeEach(() => {
  journal = new Journal();
  subscribers = [];
});
afterEach(() => subscribers.forEach((subscriber) => subscriber.stop()));

/** Two subscribers on each gateway, who subscribed before anything is published. */
async function subscribe(channels: readonly string[]): Promise<void> {
  subscribers = [0, 1, 2, 3].map((index) => {
    const name = `subscriber-${index}`;
    const gateways = [cluster.gatewayUrls[index % 2] ?? ''];
    return new Subscriber(journal, { name, uid: name, gateways, token: cluster.token(name), channels });
  });
  for (const subscriber of subscribers) subscriber.start();
  await eventually(() => expect(subscribers.every(({ isComplete }) => isComplete)).toBe(true));
}

/** Publishes one message to a node, once. */
async function publish(
  node: number,
  more: { n: number; channel: string; deduplicationId?: string; publisher?: string },
) {
  const intent = journal.intend({ publisher: `node-${node}`, isKept: true, ...more });
  const answer = await post(cluster.publishUrls[node] ?? '', cluster.apiKey, '/publish', documentOf(intent));
  expect(answer).toMatchObject({ status: 202 });
  journal.settle(intent, 'acked');
}

async function evidence(channels: readonly string[]): Promise<Evidence> {
  const histories = [await readHistory(cluster, 0, channels, false), await readHistory(cluster, 1, channels, true)];
  const { intents, connections } = journal;
  return { intents, connections, table: await readTable(cluster, channels), histories, until: new Map() };
}

describe('two publish-apis, two sequencers and two gateways', () => {
  it('deliver 10,000 concurrent publishes to one channel with rising ids, in the same order to everybody', async () => {
    await subscribe(['crowded']);
    const numbers = Array.from({ length: 10_000 }, (_, n) => n).values();
    const lane = async (): Promise<void> => {
      for (const n of numbers) await publish(n % 2, { n, channel: 'crowded' });
    };
    await Promise.all(Array.from({ length: 250 }, lane));
    await eventually(() =>
      expect(journal.connections.map(({ arrivals }) => arrivals.length)).toEqual(Array(4).fill(10_000)),
    );
    const [first = [], ...others] = journal.connections.map(({ arrivals }) => arrivals.map(({ id }) => id));
    expect(new Set(first).size).toBe(10_000);
    expect([...first].sort()).toEqual(first);
    for (const other of others) expect(other).toEqual(first);
    expect(judge(await evidence(['crowded']))).toEqual(NO_OFFENCE);
  });

  it('deliver one of two messages with the same deduplicationId that come to two nodes at the same instant', async () => {
    const channels = ['left', 'right'];
    await subscribe(channels);
    const pair = (n: number) =>
      channels.map((channel, node) => publish(node, { n, channel, deduplicationId: `pair ${n}`, publisher: channel }));
    for (let from = 0; from < 200; from += 20) {
      await Promise.all(Array.from({ length: 20 }, (_, n) => pair(from + n)).flat());
    }
    // Whatever comes behind these has come behind all pairs.
    await Promise.all(channels.map((channel, node) => publish(node, { n: 200, channel, publisher: channel })));
    await eventually(() => {
      for (const { arrivals } of journal.connections) {
        for (const channel of channels) expect(arrivals.map(({ message }) => message)).toContain(`${channel}/200`);
      }
    });
    expect(journal.connections.map(({ arrivals }) => arrivals.length)).toEqual(Array(4).fill(202));
    const won = channels.map(
      (channel) => journal.connections[0]!.arrivals.filter((one) => one.channel === channel).length,
    );
    process.stdout.write(`deduplication: 200 pairs, ${won.map((count) => count - 1).join(' to ')}\n`);
    expect(judge(await evidence(channels))).toEqual(NO_OFFENCE);
  });
});
