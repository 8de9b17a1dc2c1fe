import { eventually } from '../../support/eventually';
import type { Cluster } from '../cluster';
import { Journal } from '../journal';
import { readTable } from '../kept';
import { documentOf, post } from '../publishers';
import { Subscriber } from '../subscriber';
import { type Figure, offences } from './figure';

const RACES = { full: 10_000, small: 500 };
const AT_ONCE = 20;
/** Channels that are used again and again, while somebody just left them or nobody is left. */
const BUSY_CHANNELS = 10;

/** R4: whatever is published after `hotsock.subscribed` arrives. */
export const subscribeRace: Figure = {
  promise: 'R4',
  title: 'subscribe and publish at once',
  measure: async ({ size, startCluster }) => {
    const cluster = await startCluster();
    const journal = new Journal();
    const races = Array.from({ length: RACES[size] }, (_, race) => race).values();
    const lane = async (): Promise<void> => {
      for (const race of races) await runRace(cluster, journal, race);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, lane));
    const { intents, connections } = journal;
    const table = await readTable(cluster, [...new Set(intents.map(({ channel }) => channel))]);
    const arrivals = connections.reduce((sum, one) => sum + one.arrivals.length, 0);
    process.stdout.write(`${connections.length} races, ${intents.length} published, ${arrivals} delivered\n`);
    return [
      {
        what: `missed, doubled or inverted in ${RACES[size]} races on two gateways`,
        measured: offences({ intents, connections, table, histories: [], until: new Map() }),
        atMost: 0,
      },
    ];
  },
};

/** Publishes to a channel from before somebody subscribes to it until after, on both nodes. */
async function runRace(cluster: Cluster, journal: Journal, race: number): Promise<void> {
  const channel = race % 2 === 0 ? `race-${race}` : `race-busy-${race % BUSY_CHANNELS}`;
  const name = `subscriber-${race}`;
  const gateways = [cluster.gatewayUrls[(race >> 2) % 2] ?? ''];
  const subscriber = new Subscriber(journal, {
    name,
    uid: name,
    gateways,
    token: cluster.token(name),
    channels: [channel],
  });
  const isKept = race % 4 < 2;
  let n = 0;
  const publish = async (): Promise<void> => {
    const mayGoUnseen = !isKept && !subscriber.isComplete;
    const intent = journal.intend({ publisher: `race-${race}`, n: n++, channel, isKept, mayGoUnseen });
    const node = cluster.publishUrls[(race + n) % 2] ?? '';
    const answer = await post(node, cluster.apiKey, '/publish', documentOf(intent));
    if (typeof answer !== 'object' || answer.status !== 202) throw new Error(`publish: ${JSON.stringify(answer)}`);
    journal.settle(intent, 'acked');
  };
  subscriber.start();
  while (!subscriber.isComplete) await publish();
  // Nothing lies between the confirmation and this one.
  const afterwards = `race-${race}/${n}`;
  await publish();
  // One that does not come is counted by the oracle, too: it is not worth the end of all other races.
  await eventually(() => {
    if (!subscriber.hasGot(afterwards)) throw new Error(`${name} did not get ${afterwards} of ${channel}`);
  }).catch((error: unknown) => process.stderr.write(`${String(error)}\n`));
  subscriber.leave();
}
