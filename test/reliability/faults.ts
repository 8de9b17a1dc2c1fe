import { setTimeout as delay } from 'node:timers/promises';
import { DELIVER_STREAM, ingestStream } from '@hearth/wire';
import { connect, type NatsConnection } from 'nats';
import { eventually } from '../support/eventually';
import type { PassingMessage } from '../support/lossy-nats';
import type { TestNatsCluster } from '../support/nats-cluster';
import { pauseProcess, resumeProcess } from '../support/pause-process';
import type { Direction } from '../support/tcp-proxy';
import { clockShift, type Cluster, type NatsServer, type Node, PARTITIONS } from './cluster';
import type { Blow, Fault } from './fault-plan';
import type { Load } from './load';

/** A fault that could not be made, which is no fault of the product. */
export class CannotBreak extends Error {}

/** So long a fail-over of NATS may take to have a leader that takes commands. */
const LEADER_WITHIN_MS = 30_000;

/** What a machine whose clock nobody sets may show (promise R21): a year ahead, 2 minutes behind, some seconds either way. */
const CLOCK_SHIFTS_MS = [365 * 86_400_000, -120_000, 15_000, -15_000];
/** The round trip of promise R17. */
const SLOW_LINK_MS = 600;

const EVENTS_STREAM = 'HEARTH_EVENTS';
const LOST_ONE_OF = 20;
/** What is read from a stream comes from elsewhere, and comes through. */
const isLive = ({ subject, reply }: PassingMessage): boolean =>
  subject.startsWith('hearth.deliver.') && !reply.startsWith('$JS.ACK.');

type Inflict = (cluster: Cluster, blow: Blow, load: Load) => Promise<void>;

/** Each breaks something, waits, and has healed it when it returns, whatever happens. */
const INFLICT: Readonly<Record<Fault, Inflict>> = {
  'kill publish-api': ({ publishApis }, blow) => kill(publishApis, blow),
  'kill sequencer': ({ sequencers }, blow) => kill(sequencers, blow),
  'kill both sequencers': async ({ sequencers }, { ms }) => {
    await Promise.all(sequencers.map((node) => node.kill()));
    await delay(ms);
    await Promise.all(sequencers.map((node) => node.start()));
  },
  'kill gateway': ({ gateways }, blow) => kill(gateways, blow),
  'kill history': ({ histories }, blow) => kill(histories, blow),
  'kill webhooks': ({ webhooks }, blow) => kill(webhooks, blow),
  'pause sequencer': ({ sequencers }, blow) => pause(sequencers, blow),
  'pause gateway': ({ gateways }, blow) => pause(gateways, blow),
  'pause publish-api': ({ publishApis }, blow) => pause(publishApis, blow),
  'pause webhooks': ({ webhooks }, blow) => pause(webhooks, blow),
  'kill NATS': async (cluster, { target, ms }) => {
    const server = pickServer(cluster, target);
    await server.kill();
    await delay(ms);
    await server.restart();
  },
  'restart NATS': (cluster, { target }) => pickServer(cluster, target).restart(),
  'pause NATS': async (cluster, { target, ms }) => {
    const { pid } = pickServer(cluster, target);
    await pauseProcess(pid);
    await delay(ms);
    resumeProcess(pid);
  },
  'delete deliver stream': (cluster) => deleteStreams(cluster, [DELIVER_STREAM]),
  // What such a fault destroys is gone, so it must be nobody's.
  'delete ingest streams': (cluster, _blow, load) =>
    load.quietly(() =>
      deleteStreams(
        cluster,
        Array.from({ length: PARTITIONS }, (_, n) => ingestStream(n)),
      ),
    ),
  'delete events stream': (cluster, _blow, load) => load.quietly(() => deleteStreams(cluster, [EVENTS_STREAM])),
  'wipe NATS': (cluster, _blow, load) => load.quietly(() => cluster.wipeNats()),
  'kill Postgres': async ({ postgres }, { ms }) => {
    await postgres.kill();
    await delay(ms);
    await postgres.restart();
  },
  'freeze Postgres': async ({ postgres }, { ms }) => {
    try {
      await postgres.freeze();
      await delay(ms);
    } finally {
      postgres.thaw();
    }
  },
  'cut database connections': async (cluster, { ms }) => {
    const until = Date.now() + ms;
    do {
      await cluster.cutDatabaseConnections();
      await delay(200);
    } while (Date.now() < until);
  },
  'cut gateway off': ({ gateways }, blow) => disconnect(gateways, blow, ['there', 'back']),
  'deafen gateway': ({ gateways }, blow) => disconnect(gateways, blow, ['back']),
  'silence gateway': ({ gateways }, blow) => disconnect(gateways, blow, ['there']),
  'cut sequencer off': ({ sequencers }, blow) => disconnect(sequencers, blow, ['there', 'back']),
  'deafen sequencer': ({ sequencers }, blow) => disconnect(sequencers, blow, ['back']),
  'silence sequencer': ({ sequencers }, blow) => disconnect(sequencers, blow, ['there']),
  'lose messages to gateway': async ({ gateways }, blow) => {
    const gateway = pick(gateways, blow);
    const isNext = oneOf(LOST_ONE_OF);
    gateway.lose((message) => isLive(message) && isNext());
    await delay(blow.ms);
    gateway.lose(() => false);
  },
  'repeat messages to gateway': async ({ gateways }, blow) => {
    const gateway = pick(gateways, blow);
    gateway.repeat(isLive);
    await delay(blow.ms);
    gateway.repeat(() => false);
  },
  'slow link of gateway': ({ gateways }, blow) => slowDown(gateways, blow),
  'slow link of sequencer': ({ sequencers }, blow) => slowDown(sequencers, blow),
  'wrong clock of publish-api': ({ publishApis }, blow) => shiftClock(publishApis, blow),
  'wrong clock of sequencer': ({ sequencers }, blow) => shiftClock(sequencers, blow),
  'wrong clock of gateway': ({ gateways }, blow) => shiftClock(gateways, blow),
  'rolling restart': async ({ nodes }) => {
    for (const node of nodes) {
      await node.stop();
      await node.start();
    }
  },
  'pause readers': (_cluster, { ms }, load) => load.pauseReaders(ms),
  'storm of connections': (_cluster, _blow, load) => load.storm(),
  'reconnect everybody': async (_cluster, _blow, load) => load.dropEverybody(),
  'cut NATS node off': ({ natsCluster }, { target, ms }) => isolate(natsCluster, target, ms, 'isolate'),
  'silence NATS node': ({ natsCluster }, { target, ms }) => isolate(natsCluster, target, ms, 'silence'),
  'step down leaders': async ({ natsCluster }) => {
    const streams = [DELIVER_STREAM, ...Array.from({ length: PARTITIONS }, (_, partition) => ingestStream(partition))];
    for (const stream of streams) await orCannot(natsCluster.stepDown(stream));
  },
  'rolling restart of NATS': async ({ natsCluster }) => {
    for (const server of natsCluster.members) {
      await server.restart();
      await natsCluster.untilWhole();
    }
  },
};

/**
 * Breaks something and heals it again.
 *
 * @throws CannotBreak when it could not be broken; any other error when it could not be healed
 */
export function inflict(cluster: Cluster, blow: Blow, load: Load): Promise<void> {
  return INFLICT[blow.fault](cluster, blow, load);
}

function oneOf(count: number): () => boolean {
  let n = 0;
  return () => ++n % count === 0;
}

function pick(nodes: readonly Node[], { target }: Blow): Node {
  const node = nodes[target % nodes.length];
  if (node === undefined) throw new CannotBreak('there is no such process');
  return node;
}

async function kill(nodes: readonly Node[], blow: Blow): Promise<void> {
  const node = pick(nodes, blow);
  await node.kill();
  await delay(blow.ms);
  await node.start();
}

async function pause(nodes: readonly Node[], blow: Blow): Promise<void> {
  const node = pick(nodes, blow);
  await node.pause();
  await delay(blow.ms);
  node.resume();
}

async function disconnect(nodes: readonly Node[], blow: Blow, directions: readonly Direction[]): Promise<void> {
  const node = pick(nodes, blow);
  node.disconnect(...directions);
  await delay(blow.ms);
  node.reconnect();
}

async function slowDown(nodes: readonly Node[], blow: Blow): Promise<void> {
  const node = pick(nodes, blow);
  node.slowDown(SLOW_LINK_MS);
  await delay(blow.ms);
  node.slowDown(0);
}

async function shiftClock(nodes: readonly Node[], blow: Blow): Promise<void> {
  const node = pick(nodes, blow);
  await node.stop();
  await node.start(clockShift(CLOCK_SHIFTS_MS[Math.floor(blow.choice * CLOCK_SHIFTS_MS.length)] ?? 0));
  await delay(blow.ms);
  await node.stop();
  await node.start();
}

async function isolate(
  { members }: TestNatsCluster,
  target: number,
  ms: number,
  how: 'isolate' | 'silence',
): Promise<void> {
  const member = members[target % members.length];
  member?.[how]();
  await delay(ms);
  member?.rejoin();
}

function pickServer({ natsServers }: Cluster, target: number): NatsServer {
  const server = natsServers[target % natsServers.length];
  if (server === undefined) throw new CannotBreak('there is no such nats-server');
  return server;
}

/** Something that is asked of NATS itself, which may have to be asked again where it has no leader at the moment. */
async function withNats({ natsServers }: Cluster, act: (connection: NatsConnection) => Promise<void>): Promise<void> {
  const servers = natsServers.map(({ url }) => url);
  await orCannot(
    eventually(async () => {
      const connection = await connect({ servers, reconnect: false });
      await act(connection).finally(() => connection.close());
    }, LEADER_WITHIN_MS),
  );
}

async function deleteStreams(cluster: Cluster, names: readonly string[]): Promise<void> {
  for (const name of names) {
    await withNats(cluster, async (connection) => {
      const { streams } = await connection.jetstreamManager();
      const exists = (await streams.names().next()).includes(name);
      if (exists) await streams.delete(name);
    });
  }
}

function orCannot(breaking: Promise<void>): Promise<void> {
  return breaking.catch((error: Error) => {
    throw new CannotBreak(error.message);
  });
}
