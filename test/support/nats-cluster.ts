import { connect, StorageType, type ConnectionOptions, type NatsConnection } from 'nats';
import { eventually } from './eventually';
import { freePort } from './free-port';
import { startNats, type ClusterMembership, type TestNats } from './nats';
import { TcpProxy } from './tcp-proxy';

const SIZE = 3;

/** One of three nats-servers. */
export interface ClusterMember {
  readonly name: string;
  readonly url: string;
  readonly port: number;
  /** Changes with every restart. */
  readonly pid: number;
  readonly storeDir: string;
  /** `kill -9`; what it stored stays for `restart`. */
  kill(): Promise<void>;
  /** Ends it in good order if it runs, and starts it again. */
  restart(): Promise<void>;
  /**
   * From now on nothing comes to it from the other members, and nothing from it to them; clients reach it as before. Only of
   * a cluster that was started for that.
   */
  isolate(): void;
  /** The same for what it sends alone. */
  silence(): void;
  /** Ends that: what was on its way arrives, as when a network is mended. */
  rejoin(): void;
}

/** Three nats-servers of one spec file's own that are one JetStream, without a password. */
export interface TestNatsCluster {
  readonly members: readonly ClusterMember[];
  /** As `HEARTH_NATS_URL` takes it. */
  readonly url: string;
  /** Who leads a stream at the moment. @throws Error while nobody does */
  leaderOf(stream: string): Promise<ClusterMember>;
  /** Makes another member the leader of a stream, in good order; returns when one leads. */
  stepDown(stream: string): Promise<void>;
  /** Returns when JetStream has a leader and every member is up to date with it. */
  untilWhole(): Promise<void>;
  /** Ends them and deletes their stores. */
  stop(): Promise<void>;
}

interface Member extends ClusterMember {
  readonly server: TestNats;
}

/** At what nats-server fails now and then. */
const ATTEMPTS = 4;
const PROBE_MS = 5_000;
/** Copies that follow their leader at all do so within 10 s on a busy machine. */
const WHOLE_MS = 25_000;

/**
 * Starts three nats-servers on free ports with empty stores; returns when they have a leader, and streams can have three copies.
 *
 * @param canBeIsolated their ways to each other lead through this process, which makes every message some ms slower
 */
export async function startNatsCluster(canBeIsolated = false): Promise<TestNatsCluster> {
  return startUntilPlaced(
    () => startMembers(canBeIsolated),
    async (cluster) => {
      await cluster.untilWhole();
      return cluster.servers;
    },
  );
}

/**
 * Starts three nats-servers until streams can have three copies: of servers that start for the first time in the same moment,
 * one may never become known to the leader (seen with 2.10.27). That shows at once, is over with a new start, and is nothing
 * that we could test.
 *
 * @param start with empty stores; what it throws is thrown
 * @param ready waits until clients can use what was started, and says how they connect
 * @throws Error of the last attempt; nothing is running then
 */
export async function startUntilPlaced<T extends { stop(): Promise<void> }>(
  start: () => Promise<T>,
  ready: (cluster: T) => ConnectionOptions | Promise<ConnectionOptions>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const cluster = await start();
    try {
      const options = await ready(cluster);
      await eventually(() => ask(options, placeThreeCopies), PROBE_MS);
      return cluster;
    } catch (error) {
      await cluster.stop();
      if (attempt === ATTEMPTS) throw error;
      process.stderr.write(`nats-servers are started anew: ${(error as Error).message}\n`);
    }
  }
}

/** @throws Error when no stream can have three copies yet */
async function placeThreeCopies(connection: NatsConnection): Promise<void> {
  const { streams } = await connection.jetstreamManager({ checkAPI: false });
  await streams.add({ name: 'probe', subjects: ['probe'], storage: StorageType.Memory, num_replicas: SIZE });
  await streams.delete('probe');
}

async function ask<T>(options: ConnectionOptions, question: (connection: NatsConnection) => Promise<T>): Promise<T> {
  const connection = await connect({ ...options, reconnect: false });
  try {
    return await question(connection);
  } finally {
    await connection.close();
  }
}

async function startMembers(canBeIsolated: boolean): Promise<Cluster> {
  const indexes = Array.from({ length: SIZE }, (_, index) => index);
  const ports = await Promise.all(indexes.map(() => freePort()));
  /** `roads[from][to]`: each member reaches each other by a road of its own, so that one can be cut off. */
  const roads = canBeIsolated
    ? await Promise.all(indexes.map(() => Promise.all(ports.map((port) => TcpProxy.start(port)))))
    : [];
  const start = async (index: number): Promise<Member> => {
    const wayTo = (other: number): number =>
      (other === index ? undefined : roads[index]?.[other]?.port) ?? ports[other] ?? 0;
    // Itself included, as in deploy/nats-cluster.conf: the server takes the number of routes for the size of the cluster.
    const routes = indexes.map(wayTo);
    const membership: ClusterMembership = { name: `nats-${index}`, routePort: ports[index] ?? 0, routes };
    const server = await startNats({ membership });
    const outwards = (roads[index] ?? []).filter((_, to) => to !== index);
    const inwards = roads.flatMap((row, from) => (from === index ? [] : (row[index] ?? [])));
    return {
      server,
      name: membership.name,
      url: server.url,
      port: server.port,
      storeDir: server.storeDir,
      get pid() {
        return server.pid;
      },
      kill: () => server.kill(),
      restart: () => server.restart({ membership }),
      isolate: () => {
        if (!canBeIsolated) throw new Error('this cluster was not started for that');
        for (const road of [...outwards, ...inwards]) road.halt();
      },
      silence: () => {
        if (!canBeIsolated) throw new Error('this cluster was not started for that');
        for (const road of outwards) road.halt('there');
        for (const road of inwards) road.halt('back');
      },
      rejoin: () => [...outwards, ...inwards].forEach((road) => road.goOn()),
    };
  };
  return new Cluster(await Promise.all(indexes.map(start)), roads.flat());
}

class Cluster implements TestNatsCluster {
  constructor(
    readonly members: readonly Member[],
    private readonly roads: readonly TcpProxy[],
  ) {}

  get servers(): ConnectionOptions {
    return { servers: this.members.map(({ url }) => url) };
  }

  get url(): string {
    return this.members.map(({ url }) => url).join(',');
  }

  async leaderOf(stream: string): Promise<ClusterMember> {
    const name = await ask(this.servers, async (connection) => {
      const manager = await connection.jetstreamManager({ checkAPI: false });
      return (await manager.streams.info(stream)).cluster?.leader;
    });
    const leader = this.members.find((member) => member.name === name);
    if (leader === undefined) throw new Error(`${stream} has no leader`);
    return leader;
  }

  async stepDown(stream: string): Promise<void> {
    await ask(this.servers, (connection) => connection.request(`$JS.API.STREAM.LEADER.STEPDOWN.${stream}`));
    await eventually(() => this.leaderOf(stream));
  }

  async untilWhole(): Promise<void> {
    for (const { url } of this.members) {
      await eventually(async () => {
        const connection = await connect({ servers: url, reconnect: false });
        // While nobody leads there is no answer.
        await connection.jetstreamManager({ timeout: 1_000 }).finally(() => connection.close());
      });
    }
    for (let attempt = 1; ; attempt++) {
      try {
        return await eventually(() => this.everyStreamIsWhole(), WHOLE_MS);
      } catch (error) {
        if (attempt === ATTEMPTS) throw error;
        // Seen with 2.10.27: of a stream in which nothing happens, the copy of a server that was killed stays one entry behind
        // for ever. Its next start mends that.
        process.stderr.write(`nats-server is started again: ${(error as Error).message}\n`);
        for (const member of this.members)
          if ((error as Error).message.includes(`"${member.name}"`)) await member.restart();
      }
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.members.map(({ server }) => server.stop()));
    await Promise.all(this.roads.map((road) => road.stop()));
  }

  private everyStreamIsWhole(): Promise<void> {
    return ask(this.servers, async (connection) => {
      const manager = await connection.jetstreamManager({ checkAPI: false });
      for await (const { config, cluster } of manager.streams.list()) {
        const { leader, replicas = [] } = cluster ?? {};
        const behind = replicas.filter(({ current }) => !current);
        const isWhole = leader !== undefined && replicas.length === config.num_replicas - 1 && behind.length === 0;
        if (!isWhole) throw new Error(`${config.name}, led by ${leader}, is not whole: ${JSON.stringify(behind)}`);
      }
    });
  }
}
