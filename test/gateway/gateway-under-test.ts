import { randomBytes } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { type HearthConfig, loadConfig } from '@hearth/config';
import {
  AdminServer,
  AddressLimits,
  Backlogs,
  createHttpApp,
  LimitAnswers,
  createLogger,
  Metrics,
  ServiceModule,
  StoreModule,
  StreamModule,
  UnreadAnswers,
} from '@hearth/runtime';
import { Database } from '@hearth/store';
import { callGateway, ensureStreams, type GatewayRequest, StreamConnection } from '@hearth/stream';
import { gatewayIdOf } from '@hearth/wire';
import { attachGateway, GatewayModule } from '../../apps/gateway/src/gateway.module';
import { signToken } from '../support/tokens';
import { connect, type Frame, type WsClient } from '../support/ws-client';

class GatewayProcess {}

/** The secret all test tokens are signed with. */
export const SECRET = randomBytes(32);

/** A connect token with these claims. */
export function connectToken(claims: Record<string, unknown> = {}): string {
  return signToken({ scope: 'connect', ...claims }, { secret: SECRET });
}

export function subscribeToken(claims: Record<string, unknown> = {}): string {
  return signToken({ scope: 'subscribe', ...claims }, { secret: SECRET });
}

export interface TestServers {
  readonly natsUrl: string;
  /** One that nobody answers at makes every use of Postgres fail. */
  readonly databaseUrl: string;
}

/** A real gateway in this process, on a free port. */
export class GatewayUnderTest {
  private constructor(
    readonly httpUrl: string,
    readonly metrics: Metrics,
    readonly stream: StreamConnection,
    /** Everything it logged, one JSON line each. */
    readonly log: readonly string[],
    readonly stop: () => Promise<void>,
    /** From now on every use of Postgres fails. */
    readonly losePostgres: () => Promise<void>,
  ) {}

  /** @param settings beside the variables' defaults; seconds may be fractions here */
  static async start(servers: TestServers, settings: Partial<HearthConfig> = {}): Promise<GatewayUnderTest> {
    const env = {
      HEARTH_NATS_URL: servers.natsUrl,
      HEARTH_DATABASE_URL: servers.databaseUrl,
      HEARTH_SIGNING_KEY_1_ENCODED: SECRET.toString('base64'),
      HEARTH_HOST: '127.0.0.1',
      HEARTH_PORT: '0',
      HEARTH_PARTITIONS: '2',
      HEARTH_LOG_LEVEL: 'DEBUG',
      HEARTH_DRAIN_SECONDS: '0',
    };
    const config: HearthConfig = { ...loadConfig(env, 'gateway'), ...settings };
    const log: string[] = [];
    const logger = createLogger(
      { level: 'DEBUG', service: 'gateway' },
      { write: (line: string) => void log.push(line) },
    );
    const metrics = new Metrics();
    const admin = new AdminServer({ host: '127.0.0.1', port: 0, metrics: () => metrics.text(), info: () => ({}) });
    const never = new AbortController().signal;
    const limitAnswers = new LimitAnswers(metrics, logger);
    const addresses = new AddressLimits(config, limitAnswers);
    const backlogs = new Backlogs(config.limitBacklogBytes);
    metrics.backlogBytes.reading = () => backlogs.bytes;
    const limits = { limitAnswers, addresses, backlogs };
    const context = { config, logger, metrics, admin, ...limits, interrupted: never, timeUp: never };
    const app = await createHttpApp(
      {
        module: GatewayProcess,
        imports: [
          ServiceModule.of(context),
          StoreModule.of(async () => {}),
          StreamModule.of(ensureStreams),
          GatewayModule,
        ],
      },
      config,
      logger,
      undefined,
      addresses,
      new UnreadAnswers(backlogs, limitAnswers),
    );
    await attachGateway(app);
    await app.listen(0, '127.0.0.1');
    const { port } = app.getHttpServer().address() as AddressInfo;
    const stream = app.get(StreamConnection);
    const losePostgres = () => app.get(Database).close();
    let stopping: Promise<void> | undefined;
    const stop = () => (stopping ??= app.close());
    return new GatewayUnderTest(`http://127.0.0.1:${port}`, metrics, stream, log, stop, losePostgres);
  }

  get wsUrl(): string {
    return `${this.httpUrl.replace('http', 'ws')}/v1`;
  }

  /** Opens a connection whose token has these claims. */
  connect(claims: Record<string, unknown> = {}): Promise<WsClient> {
    return connect(this.wsUrl, connectToken(claims));
  }

  /** Asks the gateway as the history service does. */
  async call(client: WsClient, request: GatewayRequest, secret?: string): Promise<unknown> {
    const { connectionId, connectionSecret } = (await client.connected()).data;
    return callGateway(
      this.stream,
      gatewayIdOf(connectionId as string) ?? -1,
      { connectionId: connectionId as string, connectionSecret: secret ?? (connectionSecret as string) },
      request,
      2_000,
    );
  }
}

/** Claims that allow everything in every channel. */
export const EVERYTHING = {
  channels: { '*': { subscribe: true, messages: { '*': { publish: true, echo: true } } } },
};

/** Subscribes and waits for the confirmation. */
export async function subscribe(client: WsClient, channel: string, data?: object): Promise<Frame> {
  client.send({ event: 'hotsock.subscribe', channel, data });
  return client.next((frame) => frame.event === 'hotsock.subscribed' && frame.channel === channel);
}
