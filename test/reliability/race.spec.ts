import { eventually } from '../support/eventually';
import { Cluster } from './cluster';
import { Journal } from './journal';
import { readTable } from './kept';
import { judge, NO_OFFENCE } from './oracle';
import { documentOf, post } from './publishers';
import { Subscriber } from './subscriber';

const RACES = 1_000;
const AT_ONCE = 20;
/** Channels that are used again and again, while somebody just left them or nobody is left. */
const BUSY_CHANNELS = 10;

let cluster: Cluster;
beforeAll(async () => (cluster = await Cluster.start()));
afterAll(() => cluster.stop());

describe('a subscription', () => {
  it('brings everything that is published after hotsock.subscribed, in 1,000 races on two gateways', async () => {
    const journal = new Journal();
    const races = Array.from({ length: RACES }, (_, race) => race).values();
    const lane = async (): Promise<void> => {
      for (const race of races) await runRace(journal, race);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, lane));
    const { intents, connections } = journal;
    const table = await readTable(cluster);
    const arrivals = connections.reduce((sum, one) => sum + one.arrivals.length, 0);
    process.stdout.write(`race: ${connections.length} races, ${intents.length} published, ${arrivals} delivered\n`);
    expect(connections).toHaveLength(RACES);
    expect(judge({ intents, connections, table, histories: [], until: new Map() })).toEqual(NO_OFFENCE);
  });
});

/** Publishes to a channel from before somebody subscribes to it until after, on both nodes. */
async function runRace(journal: Journal, race: number): Promise<void> {
  const channel = race % 2 === 0 ? `new-${race}` : `busy-${race % BUSY_CHANNELS}`;
  const name = `subscriber-${race}`;
  const gateways = [cluster.gatewayUrls[(race >> 2) % 2] ?? ''];
  const subscriber = new Subscriber(journal, { name, gateways, token: cluster.token(name), channels: [channel] });
  const isKept = race % 4 < 2;
  let n = 0;
  const publish = async (): Promise<void> => {
    const mayGoUnseen = !isKept && !subscriber.isComplete;
    const intent = journal.intend({ publisher: `race-${race}`, n: n++, channel, isKept, mayGoUnseen });
    const node = cluster.publishUrls[(race + n) % 2] ?? '';
    const answer = await post(node, cluster.apiKey, '/publish', documentOf(intent));
    expect(answer).toMatchObject({ status: 202 });
    journal.settle(intent, 'acked');
  };
  subscriber.start();
  while (!subscriber.isComplete) await publish();
  // Nothing lies between the confirmation and this one.
  const afterwards = `race-${race}/${n}`;
  await publish();
  await eventually(() => {
    if (!subscriber.hasGot(afterwards)) throw new Error(`${name} did not get ${afterwards} of ${channel}`);
  });
  subscriber.leave();
}
