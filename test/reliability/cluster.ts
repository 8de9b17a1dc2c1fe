import { randomBytes } from 'node:crypto';
import { Pool } from 'pg';
import type { ScratchDatabase } from '../../db/scratch-database';
import { createDatabase } from '../support/database';
import { startNats, TestNats } from '../support/nats';
import { TestPostgres } from '../support/postgres';
import { pauseProcess, resumeProcess } from '../support/pause-process';
import { AppName, AppProcess, startApp } from '../support/process';
import { signToken } from '../support/tokens';
import { freePort } from '../support/free-port';
import { CLIENT_MESSAGE_CLAIMS } from './publishers';

export const PARTITIONS = 4;
/** Seven processes start at once, on a machine that runs other tests as well. */
const READY_WITHIN_MS = 60_000;

/** A process of the cluster that keeps its ports when it is started again, as behind a load balancer. */
export class Node {
  private process: AppProcess | undefined;
  private hasEnded = false;
  private ports: readonly [number, number] | undefined;

  constructor(
    readonly name: AppName,
    private readonly env: Readonly<Record<string, string>>,
  ) {}

  get app(): AppProcess {
    if (this.process === undefined) throw new Error(`${this.name} is not running`);
    return this.process;
  }

  /** Whether its process has been started and has not ended since. */
  get isRunning(): boolean {
    return this.process !== undefined && !this.hasEnded;
  }

  async start(): Promise<void> {
    this.ports ??= await Promise.all([freePort(), freePort()]);
    const [port, adminPort] = this.ports.map(String);
    const env = { ...this.env, HEARTH_PORT: port ?? '', HEARTH_ADMIN_PORT: adminPort ?? '' };
    const app = await startApp(this.name, env, { readyWithinMs: READY_WITHIN_MS });
    this.process = app;
    this.hasEnded = false;
    void app.exited.then(() => {
      if (this.process === app) this.hasEnded = true;
    });
  }

  /** `kill -9` */
  async kill(): Promise<void> {
    await this.app.kill('SIGKILL');
  }

  async stop(): Promise<void> {
    await this.process?.stop();
  }

  /** Makes it stand still until `resume`. */
  async pause(): Promise<void> {
    await pauseProcess(this.app.pid);
  }

  resume(): void {
    resumeProcess(this.app.pid);
  }
}

export interface ClusterSettings {
  /** Of all processes, beside what a cluster has anyway. */
  readonly env?: Readonly<Record<string, string>>;
  /** With a Postgres server of its own, which may be killed. */
  readonly ownPostgres?: boolean;
}

/** Two publish-apis, two sequencers, two gateways and a history, each a process, on a NATS and a database of their own. */
export class Cluster {
  readonly apiKey = 'the key of this cluster';
  private readonly secret = randomBytes(32);

  private constructor(
    readonly nats: TestNats,
    private readonly database: ScratchDatabase,
    readonly sql: Pool,
    private readonly env: Readonly<Record<string, string>>,
    private readonly server: TestPostgres | undefined,
  ) {}

  readonly publishApis: Node[] = [];
  readonly sequencers: Node[] = [];
  readonly gateways: Node[] = [];
  readonly histories: Node[] = [];

  static async start({ env = {}, ownPostgres = false }: ClusterSettings = {}): Promise<Cluster> {
    const server = ownPostgres ? await TestPostgres.start() : undefined;
    const [nats, database] = await Promise.all([startNats(), createDatabase(server?.url)]);
    const sql = new Pool({ connectionString: database.url, max: 1 });
    // The next query makes another session.
    sql.on('error', () => undefined);
    const cluster = new Cluster(nats, database, sql, env, server);
    cluster.publishApis.push(cluster.node('publish-api'), cluster.node('publish-api'));
    cluster.sequencers.push(cluster.node('sequencer'), cluster.node('sequencer'));
    cluster.gateways.push(cluster.node('gateway'), cluster.node('gateway'));
    cluster.histories.push(cluster.node('history'));
    try {
      await Promise.all(cluster.nodes.map((node) => node.start()));
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  /** The Postgres server, where it is the cluster's own. */
  get postgres(): TestPostgres {
    if (this.server === undefined) throw new Error('the cluster shares its Postgres with others');
    return this.server;
  }

  get nodes(): readonly Node[] {
    return [...this.publishApis, ...this.sequencers, ...this.gateways, ...this.histories];
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

  /** Lets a client do everything the tests do, in any channel. */
  token(uid: string): string {
    return signToken(
      {
        scope: 'connect',
        uid,
        channels: { '*': { subscribe: true, historyStart: 0, messages: CLIENT_MESSAGE_CLAIMS } },
      },
      { secret: this.secret },
    );
  }

  /** Names of processes that should run and do not, or that wrote an ERROR line: what to look at first. */
  get troubles(): readonly string[] {
    return this.nodes.flatMap((node) => [
      ...(node.isRunning ? [] : [`${node.name} has ended`]),
      ...node.app.lines.filter((line) => /"level":"(ERROR|FATAL)"/.test(line)).map((line) => `${node.name}: ${line}`),
    ]);
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop()));
    await this.sql.end();
    await Promise.all([this.nats.stop(), this.server?.stop() ?? this.database.drop()]);
  }

  private node(name: AppName): Node {
    return new Node(name, {
      HEARTH_NATS_URL: this.nats.url,
      HEARTH_DATABASE_URL: this.database.url,
      HEARTH_PARTITIONS: String(PARTITIONS),
      HEARTH_SIGNING_KEY_1_ENCODED: this.secret.toString('base64'),
      HEARTH_HTTP_API_KEY_1: this.apiKey,
      HEARTH_DRAIN_SECONDS: '0',
      ...this.env,
    });
  }
}
