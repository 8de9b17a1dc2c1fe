import { randomBytes, randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Pool } from 'pg';
import type { ScratchDatabase } from '../../db/scratch-database';
import { createDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import { freePort } from '../support/free-port';
import { LossyNats, type PassingMessage } from '../support/lossy-nats';
import { startNats, type TestNats } from '../support/nats';
import { type ClusterMember, startNatsCluster, type TestNatsCluster } from '../support/nats-cluster';
import { pauseProcess, resumeProcess } from '../support/pause-process';
import { TestPostgres } from '../support/postgres';
import { AppName, AppProcess, startApp } from '../support/process';
import { dataDirPrefix } from '../support/servers';
import { Direction, TcpProxy } from '../support/tcp-proxy';
import { signToken } from '../support/tokens';
import { CLIENT_MESSAGE_CLAIMS } from './publishers';

export const PARTITIONS = 4;
/** Nine processes start at once, on a machine that runs other tests as well. */
const READY_WITHIN_MS = 60_000;
/** Of processes that have been started anew since. */
const KEPT_LINES = 2_000;
/** So often nothing may wait, one look after the other. */
const IDLE_LOOKS = 10;
/** Name and value of a metric. */
const WAITING = /^hearth_(sequencer_lag|webhooks_lag|events_waiting)(?:\{.*\})? (\S+)$/gm;
/** A node whose clock is a year ahead takes the tokens of our clients, too. */
const TOKEN_SECONDS = 2 * 366 * 86_400;

/** How many nats-servers work as one. */
export type NatsSize = 1 | 3;

export type NatsServer = Pick<ClusterMember, 'url' | 'pid' | 'kill' | 'restart'>;

/** Environment of a process that loads one of the scripts of `test/support` before anything else. */
export type Preload = Readonly<Record<string, string>>;

/** Claims of a token that lets in once. */
export const onlyOnce = (): object => ({ singleUse: true, jti: randomUUID() });

/** A process whose clock is ahead by so much. */
export const clockShift = (ms: number): Preload =>
  preload('shifted-clock.cjs', { HEARTH_TEST_CLOCK_SHIFT_MS: String(ms) });

/** A process that collects all garbage at SIGUSR2. */
export const collectsGarbage: Preload = preload('collect-garbage.cjs', {});

/** A gateway that breaks one promise. */
export const mutant = (name: 'drop' | 'swap' | 'repeat' | 'permission'): Preload =>
  preload('mutant.cjs', { HEARTH_TEST_MUTANT: name });

function preload(script: string, env: Preload): Preload {
  return { ...env, NODE_OPTIONS: `--require=${join(__dirname, '../support', script)}` };
}

export interface ClusterSettings {
  /** Of all processes, beside what a cluster has anyway. */
  readonly env?: Readonly<Record<string, string>>;
  /** Two processes, each with all services. */
  readonly isAllInOne?: boolean;
  /** With a Postgres server of its own, which may be killed. */
  readonly ownPostgres?: boolean;
  /** One, if not given. Three can be cut off from each other. */
  readonly nats?: NatsSize;
  /** Gateways and sequencers reach NATS through proxies, so that they can be cut off. */
  readonly hasProxies?: boolean;
  /** Backend events are on, and go to this URL; webhooks is one more process then. */
  readonly webhookUrl?: string;
}

/** A process of the cluster that keeps its ports when it is started again, as behind a load balancer. */
export class Node {
  private process: AppProcess | undefined;
  private hasEnded = false;
  private isMeantToEnd = false;
  private ports: readonly [number, number] | undefined;
  /** Ends that nobody asked for. */
  readonly ends: string[] = [];
  /** The last ones that its earlier processes wrote. */
  private earlierLines: string[] = [];

  /** @param proxies on its way to each nats-server; none when it goes there straight */
  constructor(
    readonly name: AppName,
    readonly number: number,
    private readonly env: Readonly<Record<string, string>>,
    private readonly proxies: readonly TcpProxy[] = [],
    /** On the same way: what loses or repeats single messages. */
    private readonly lossy: readonly LossyNats[] = [],
  ) {}

  get label(): string {
    return `${this.name} ${this.number}`;
  }

  get app(): AppProcess {
    if (this.process === undefined) throw new Error(`${this.name} is not running`);
    return this.process;
  }

  /** Whether its process has been started and has not ended since. */
  get isRunning(): boolean {
    return this.process !== undefined && !this.hasEnded;
  }

  /** Lines of its log that call for somebody. */
  get errors(): readonly string[] {
    return this.lines.filter((line) => /"level":"(ERROR|FATAL)"/.test(line)).map((line) => `${this.label}: ${line}`);
  }

  /** The last ones that it wrote, its earlier processes included. */
  get lines(): readonly string[] {
    return [...this.earlierLines, ...(this.process?.lines ?? [])];
  }

  /** @param different a script that it loads first, with variables of its own: a process that is not as it should be */
  async start(different?: Preload): Promise<void> {
    this.ports ??= await Promise.all([freePort(), freePort()]);
    const [port, adminPort] = this.ports.map(String);
    const env = { ...this.env, ...different, HEARTH_PORT: port ?? '', HEARTH_ADMIN_PORT: adminPort ?? '' };
    const earlierLines = this.lines.slice(-KEPT_LINES);
    const app = await startApp(this.name, env, { readyWithinMs: READY_WITHIN_MS });
    this.process = app;
    this.earlierLines = earlierLines;
    this.hasEnded = false;
    this.isMeantToEnd = false;
    void app.exited.then((exit) => {
      if (this.process !== app) return;
      this.hasEnded = true;
      if (!this.isMeantToEnd) this.ends.push(`${this.label} ended by itself: ${JSON.stringify(exit)}`);
    });
  }

  /** `kill -9` */
  async kill(): Promise<void> {
    this.isMeantToEnd = true;
    await this.app.kill('SIGKILL');
  }

  async stop(): Promise<void> {
    this.isMeantToEnd = true;
    await this.process?.stop();
    await rm(this.env.HEARTH_DATA_DIR ?? '', { recursive: true, force: true });
  }

  /** Makes it stand still until `resume`. */
  async pause(): Promise<void> {
    await pauseProcess(this.app.pid);
  }

  resume(): void {
    resumeProcess(this.app.pid);
  }

  /** From now on nothing goes these ways between it and NATS, until `reconnect`. */
  disconnect(...directions: readonly Direction[]): void {
    for (const proxy of this.proxies) proxy.halt(...directions);
  }

  reconnect(): void {
    for (const proxy of this.proxies) proxy.goOn();
  }

  /** From now on it does not get those messages of which this is true. */
  lose(isLost: (message: PassingMessage) => boolean): void {
    for (const one of this.lossy) one.lose(isLost);
  }

  /** From now on it gets those messages twice of which this is true. */
  repeat(isRepeated: (message: PassingMessage) => boolean): void {
    for (const one of this.lossy) one.repeat(isRepeated);
  }

  /** From now on everything between it and NATS takes so long, each way. */
  slowDown(ms: number): void {
    for (const proxy of this.proxies) proxy.slowDown(ms);
  }
}

async function samplesOf(nodes: readonly Node[], pattern: RegExp): Promise<RegExpExecArray[]> {
  const texts = await Promise.all(
    nodes.map(async ({ app }) => (await fetch(`http://127.0.0.1:${app.adminPort}/metrics`)).text()),
  );
  return [...texts.join('\n').matchAll(pattern)];
}

const sumOf = (samples: readonly RegExpExecArray[]): number =>
  samples.reduce((sum, [, , value]) => sum + Number(value), 0);

/**
 * Two publish-apis, two sequencers, two gateways and a history, and webhooks where they are wanted, each a process, on a
 * NATS and a database of their own.
 */
export class Cluster {
  readonly apiKey = 'the key of this cluster';
  readonly awsKey = { id: 'AKIACHAOS', secret: randomBytes(20).toString('hex') };
  readonly publishApis: Node[] = [];
  readonly sequencers: Node[] = [];
  readonly gateways: Node[] = [];
  readonly histories: Node[] = [];
  readonly webhooks: Node[] = [];
  private readonly secret = randomBytes(32);
  private readonly proxies: (TcpProxy | LossyNats)[] = [];

  private constructor(
    readonly natsServers: readonly NatsServer[],
    private readonly threeNats: TestNatsCluster | undefined,
    private readonly onlyNats: TestNats | undefined,
    private readonly stopNats: () => Promise<void>,
    private readonly database: ScratchDatabase,
    readonly sql: Pool,
    private readonly server: TestPostgres | undefined,
    private readonly settings: ClusterSettings,
  ) {}

  static async start(settings: ClusterSettings = {}): Promise<Cluster> {
    const { nats: size = 1, ownPostgres = false, webhookUrl } = settings;
    const server = ownPostgres ? await TestPostgres.start() : undefined;
    const [nats, database] = await Promise.all([
      size === 3 ? startNatsCluster(true) : startNats(),
      createDatabase(server?.url),
    ]);
    const sql = new Pool({ connectionString: database.url, max: 1 });
    // The next query makes another session.
    sql.on('error', () => undefined);
    const three = 'members' in nats ? nats : undefined;
    const [servers, only] = 'members' in nats ? [nats.members, undefined] : [[nats], nats];
    const cluster = new Cluster(servers, three, only, () => nats.stop(), database, sql, server, settings);
    try {
      for (const number of settings.isAllInOne === true ? [1, 2] : []) {
        const node = await cluster.node('hearth', number);
        for (const service of ['publishApis', 'sequencers', 'gateways', 'histories'] as const)
          cluster[service].push(node);
      }
      for (const number of settings.isAllInOne === true ? [] : [1, 2]) {
        cluster.publishApis.push(await cluster.node('publish-api', number));
        cluster.sequencers.push(await cluster.node('sequencer', number));
        cluster.gateways.push(await cluster.node('gateway', number));
      }
      if (settings.isAllInOne !== true) cluster.histories.push(await cluster.node('history', 1));
      if (webhookUrl !== undefined && settings.isAllInOne !== true)
        cluster.webhooks.push(await cluster.node('webhooks', 1));
      await Promise.all(cluster.nodes.map((node) => node.start()));
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  get nodes(): readonly Node[] {
    const { publishApis, sequencers, gateways, histories, webhooks } = this;
    return [...new Set([publishApis, sequencers, gateways, histories, webhooks].flat())];
  }

  get publishUrls(): readonly string[] {
    return this.publishApis.map(({ app }) => app.httpUrl);
  }

  get gatewayUrls(): readonly string[] {
    return this.gateways.map(({ app }) => app.wsUrl);
  }

  get historyUrl(): string {
    return this.histories[0]?.app.httpUrl ?? '';
  }

  /** The Postgres server, where it is the cluster's own. */
  get postgres(): TestPostgres {
    if (this.server === undefined) throw new Error('the cluster shares its Postgres with others');
    return this.server;
  }

  /** The nats-server; the first of three. */
  get nats(): NatsServer {
    const [first] = this.natsServers;
    if (first === undefined) throw new Error('there is no nats-server');
    return first;
  }

  /** The three nats-servers, where there are so many. */
  get natsCluster(): TestNatsCluster {
    if (this.threeNats === undefined) throw new Error('there is one nats-server only');
    return this.threeNats;
  }

  /** Lets a client do everything the tests do, in any channel. */
  token(uid: string, more: object = {}): string {
    return this.tokenFor(uid, { '*': { subscribe: true, historyStart: 0, messages: CLIENT_MESSAGE_CLAIMS } }, more);
  }

  /** @param channels the claim of that name; `more`: others */
  tokenFor(uid: string, channels: object, more: object = {}): string {
    const exp = Math.floor(Date.now() / 1_000) + TOKEN_SECONDS;
    return signToken({ scope: 'connect', uid, channels, exp, ...more }, { secret: this.secret });
  }

  /** Ends every connection to the database but the one that asks. @returns how many there were */
  async cutDatabaseConnections(): Promise<number> {
    const { rowCount } = await this.sql.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid()`,
    );
    return rowCount ?? 0;
  }

  /** Waits until nothing is in a stream that has not been processed, nor any event that has not been read. */
  async untilIdle(): Promise<void> {
    let looks = 0;
    await eventually(async () => {
      const waiting = await this.waiting();
      looks = waiting === 0 ? looks + 1 : 0;
      if (looks < IDLE_LOOKS) throw new Error(`${waiting} wait in streams`);
    });
  }

  private async waiting(): Promise<number> {
    const samples = await samplesOf([...this.sequencers, ...this.webhooks], WAITING);
    const partitions = samples.filter(([, name]) => name === 'sequencer_lag').length;
    return sumOf(samples) + Math.abs(partitions - PARTITIONS);
  }

  /** Ends the one nats-server, and starts it again with an empty store. */
  async wipeNats(): Promise<void> {
    if (this.onlyNats === undefined) throw new Error('there are three nats-servers');
    await this.onlyNats.kill();
    await rm(join(this.onlyNats.storeDir, 'jetstream'), { recursive: true });
    await this.onlyNats.restart();
  }

  /** Names of processes that should run and do not, or that wrote an ERROR line: what to look at first. */
  get troubles(): readonly string[] {
    return this.nodes.flatMap((node) => [...(node.isRunning ? [] : [`${node.name} has ended`]), ...node.errors]);
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop()));
    await this.sql.end();
    await Promise.all([this.stopNats(), this.server?.stop() ?? this.database.drop()]);
    await Promise.all(this.proxies.map((proxy) => proxy.stop()));
  }

  private async node(name: AppName, number: number): Promise<Node> {
    const { env: more, webhookUrl, hasProxies = false } = this.settings;
    const ports = this.natsServers.map(({ url }) => Number(new URL(url).port));
    const size = ports.length;
    const isProxied = hasProxies && ['gateway', 'sequencer', 'hearth'].includes(name);
    const proxies = isProxied ? await Promise.all(ports.map((port) => TcpProxy.start(port))) : [];
    const lossy = isProxied ? await Promise.all(proxies.map(({ port }) => LossyNats.start(port))) : [];
    this.proxies.push(...proxies, ...lossy);
    const urls = isProxied ? lossy.map(({ url }) => url) : ports.map((port) => `nats://127.0.0.1:${port}`);
    // Each begins with another server, as clients that choose at random would.
    const first = number % size;
    const env: Record<string, string> = {
      HEARTH_NATS_URL: [...urls.slice(first), ...urls.slice(0, first)].join(','),
      HEARTH_DATABASE_URL: this.database.url,
      HEARTH_PARTITIONS: String(PARTITIONS),
      HEARTH_SIGNING_KEY_1_ENCODED: this.secret.toString('base64'),
      HEARTH_HTTP_API_KEY_1: this.apiKey,
      HEARTH_AWS_ACCESS_KEYS: `${this.awsKey.id}:${this.awsKey.secret}`,
      HEARTH_DRAIN_SECONDS: '0',
      HEARTH_DATA_DIR: join(tmpdir(), `${dataDirPrefix}${randomUUID()}`),
      HEARTH_STREAM_REPLICAS: String(size),
      HEARTH_EVENTS_REPLICAS: String(size),
    };
    if (webhookUrl !== undefined) {
      Object.assign(env, {
        HEARTH_EVENTS_ENABLED: 'true',
        HEARTH_WEBHOOK_URLS: webhookUrl,
        HEARTH_WEBHOOK_SECRETS: `whsec_${this.secret.toString('base64')}`,
        HEARTH_WEBHOOK_ALLOW_PRIVATE: 'true',
      });
    }
    Object.assign(env, more);
    return new Node(name, number, env, proxies, lossy);
  }
}
