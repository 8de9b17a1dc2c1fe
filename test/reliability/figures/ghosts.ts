import { eventually } from '../../support/eventually';
import { connect, type Frame, type WsClient } from '../../support/ws-client';
import type { Cluster } from '../cluster';
import { type Figure, secondsSince } from './figure';

const MEMBERS = { full: 100, small: 5 };
const CHANNEL = 'presence.ghosts';

/** R9: presence comes to the truth when a gateway dies. */
export const ghosts: Figure = {
  promise: 'R9',
  title: 'a gateway is killed with members of a presence channel on it',
  smallIn: 'test/presence/death.spec.ts',
  measure: async ({ size, startCluster }) => {
    const cluster = await startCluster();
    const observers = await Promise.all(['a', 'b', 'c'].map((uid) => join(cluster, 0, uid)));
    const members = Array.from({ length: MEMBERS[size] }, (_, n) => `ghost-${n}`);
    await Promise.all(members.map((uid) => join(cluster, 1, uid)));
    const all = [...members, 'a', 'b', 'c'].sort();
    await eventually(() => observers.forEach((observer) => expectMembers(observer, all)));
    const dying = cluster.gateways[1];
    const killedAt = performance.now();
    await dying?.kill();
    await eventually(() => observers.forEach((observer) => expectMembers(observer, ['a', 'b', 'c'])), 120_000);
    const gone = secondsSince(killedAt);
    await dying?.start();
    // Those who come now are told by either gateway; then everybody has the same list, or never will.
    const late = await Promise.all([join(cluster, 0, 'd'), join(cluster, 1, 'e')]);
    const divergent = await divergentLists(cluster, [...observers, ...late], ['a', 'b', 'c', 'd', 'e']);
    await Promise.all([...observers, ...late].map((client) => client.close()));
    return [
      { what: `until the last of ${members.length} ghosts was gone`, measured: gone, atMost: 30, unit: 's' },
      { what: 'member lists that differ from the truth at rest', measured: divergent, atMost: 0 },
    ];
  },
};

async function join(cluster: Cluster, gateway: number, uid: string): Promise<WsClient> {
  const client = await connect(cluster.gatewayUrls[gateway] ?? '', cluster.token(uid));
  client.send({ event: 'hotsock.subscribe', channel: CHANNEL });
  await client.next('hotsock.subscribed');
  return client;
}

const uidsOf = (members: readonly Frame[]): string[] => members.map(({ uid }: Frame) => uid as string).sort();

/** As the last frame of the channel says. */
function expectMembers(client: WsClient, expected: readonly string[]): void {
  const told = uidsOf(client.frames.findLast(({ data }) => data?.members !== undefined)?.data.members ?? []);
  if (told.join() !== expected.join()) throw new Error(`${told.length} members instead of ${expected.length}`);
}

/** How many of the clients and of the publish-apis never say what is true. */
async function divergentLists(
  cluster: Cluster,
  clients: readonly WsClient[],
  truth: readonly string[],
): Promise<number> {
  const asks = [
    ...clients.map((client) => () => expectMembers(client, truth)),
    ...cluster.publishUrls.map((url) => async () => {
      const headers = { authorization: `Bearer ${cluster.apiKey}` };
      const answer = await fetch(`${url}/channels/${encodeURIComponent(CHANNEL)}`, { headers });
      const { members } = (await answer.json()) as { members: Frame[] };
      if (uidsOf(members).join() !== truth.join()) throw new Error(`${url} tells of ${uidsOf(members).join()}`);
    }),
  ];
  const results = await Promise.allSettled(asks.map((ask) => eventually(ask)));
  return results.filter(({ status }) => status === 'rejected').length;
}
