import { BeforeApplicationShutdown, Inject, Injectable, Module, OnApplicationShutdown } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { CONFIG, eventReport, HearthConfig, Logger, LOGGER, Metrics, Tracing, VERSION } from '@hearth/runtime';
import { Database } from '@hearth/store';
import { EventPublisher, IngestPublisher, StreamConnection } from '@hearth/stream';
import { Attendance } from './attendance/attendance';
import { Barriers } from './attendance/barriers';
import { ClientApiController } from './client-api/client-api.controller';
import { ClientGateway } from './transport/client.gateway';
import { ClientPublish } from './commands/client-publish';
import { ClientStorage } from './commands/client-storage';
import { ConsoleRoutes } from '@hearth/runtime';
import { ClientReactions } from './commands/client-reactions';
import { ConnectionTimes } from './connection/connection-clock';
import { ConnectionEvents } from './connection/connection-events';
import { Connections } from './connection/connections';
import { GatewayLease } from './gateway-lease';
import { GatewayRpcStrategy } from './client-api/gateway-rpc.strategy';
import { Handshake } from './transport/handshake';
import { Hub } from './channel/hub';
import { Joining } from './commands/joining';
import { MissedLog } from './resume/missed-log';
import { Presence } from './attendance/presence';
import { RealtimeAdapter } from './transport/realtime.adapter';
import { Resume } from './resume/resume';
import { StorageApiController } from './client-api/storage-api.controller';
import { StorageReader } from './commands/storage-reader';
import { SubscriptionReports } from './attendance/subscription-reports';
import { Tokens } from './connection/tokens';
import { UmdUpdates } from './commands/umd-updates';
import { UpgradeRequired } from './transport/upgrade-required';

/** A keep-alive must come before the idle limit, also where that is configured lower (websocket-protocol §2). */
const KEEP_ALIVE_SHARE_OF_IDLE = 0.95;

function timesOf(config: HearthConfig): ConnectionTimes {
  const idleMs = config.connectionIdleSeconds * 1_000;
  const keepAliveMs = config.keepAliveSeconds * 1_000;
  return {
    lifetimeMs: config.connectionMaxSeconds * 1_000,
    idleMs,
    keepAliveMs: keepAliveMs < idleMs ? keepAliveMs : idleMs * KEEP_ALIVE_SHARE_OF_IDLE,
    pingMs: config.wsPingSeconds === 0 ? Infinity : config.wsPingSeconds * 1_000,
  };
}

/** The parts of one gateway, made in the order in which they need each other. */
@Injectable()
class Gateway implements BeforeApplicationShutdown, OnApplicationShutdown {
  readonly hub: Hub;
  readonly publishing: ClientPublish;
  readonly reactions: ClientReactions;
  readonly storage: ClientStorage;
  readonly connections: Connections;
  readonly handshake: Handshake;
  readonly rpc: GatewayRpcStrategy;
  readonly umd: UmdUpdates;
  readonly attendance: Attendance;
  private readonly publisher: EventPublisher;
  private readonly events: ConnectionEvents;

  constructor(
    @Inject(CONFIG) config: HearthConfig,
    @Inject(LOGGER) logger: Logger,
    metrics: Metrics,
    stream: StreamConnection,
    database: Database,
    ingest: IngestPublisher,
    private readonly lease: GatewayLease,
    tracing: Tracing,
  ) {
    const maxBacklogBytes = config.wsMaxBacklogBytes;
    const tokens = new Tokens(config, database);
    this.hub = new Hub({ stream, metrics, logger, maxBacklogBytes, isLocal: (id) => this.connections.has(id) });
    this.publishing = new ClientPublish(ingest, metrics, tracing, logger, config);
    this.reactions = new ClientReactions(ingest, database, metrics);
    const barriers = new Barriers(ingest);
    const reader = new StorageReader(ingest, barriers, database, maxBacklogBytes);
    this.storage = new ClientStorage(ingest, reader, config);
    this.umd = new UmdUpdates(tokens, ingest);
    const wantsEvents = (): boolean => config.live.current.eventsEnabled;
    const report = eventReport(metrics, logger);
    this.attendance = new Attendance(
      new Presence(ingest, config.httpTimeoutMs),
      new SubscriptionReports(ingest, wantsEvents, report.dropped),
      barriers,
      ingest,
    );
    this.publisher = new EventPublisher(stream, config, VERSION, report);
    this.events = new ConnectionEvents(this.publisher, wantsEvents);
    const resume = new Resume(stream, new MissedLog(database, logger), config.deliverMaxAgeSeconds * 1_000, logger);
    this.connections = new Connections(
      {
        hub: this.hub,
        joining: new Joining(this.hub, tokens, resume),
        attendance: this.attendance,
        events: this.events,
        umd: this.umd,
        rights: resume.rights,
        publish: this.publishing,
        reactions: this.reactions,
        storage: this.storage,
        snapshots: { reader, maxBacklogBytes, logger },
        times: timesOf(config),
        tokens,
        metrics,
        logger,
        maxBacklogBytes,
      },
      { maxConnections: config.maxConnections, drainMs: config.drainSeconds * 1_000 },
      () => lease.gatewayId,
    );
    this.handshake = new Handshake(config, this.connections, tokens, metrics, logger);
    this.rpc = new GatewayRpcStrategy(stream, lease, this.connections, logger);
    lease.onReplaced(() => {
      this.rpc.listen(() => undefined);
      this.connections.closeAll();
    });
  }

  /** Clients leave while the rest of the process still works, so that what they sent last is still accepted. */
  async beforeApplicationShutdown(): Promise<void> {
    await this.connections.drain();
    await this.attendance.settle();
    await this.events.settle();
  }

  async onApplicationShutdown(): Promise<void> {
    this.connections.stop();
    this.hub.stop();
    this.attendance.close();
    this.publisher.close();
    await this.lease.release();
  }
}

/** Clients' connections of one process; `attachGateway` opens its doors. Needs `ServiceModule`. */
@Module({
  controllers: [ClientApiController, StorageApiController],
  providers: [
    {
      provide: GatewayLease,
      useFactory: (database: Database, config: HearthConfig, logger: Logger) =>
        GatewayLease.claim(database, config.nodeId, logger),
      inject: [Database, CONFIG, LOGGER],
    },
    Gateway,
    { provide: Connections, useFactory: ({ connections }: Gateway) => connections, inject: [Gateway] },
    { provide: Attendance, useFactory: ({ attendance }: Gateway) => attendance, inject: [Gateway] },
    { provide: UmdUpdates, useFactory: ({ umd }: Gateway) => umd, inject: [Gateway] },
    { provide: ClientPublish, useFactory: ({ publishing }: Gateway) => publishing, inject: [Gateway] },
    { provide: ClientReactions, useFactory: ({ reactions }: Gateway) => reactions, inject: [Gateway] },
    { provide: ClientStorage, useFactory: ({ storage }: Gateway) => storage, inject: [Gateway] },
    ClientGateway,
    UpgradeRequired,
    ConsoleRoutes,
  ],
})
export class GatewayModule {}

/**
 * Puts the gateway of an application that imports `GatewayModule` on its HTTP server and on NATS. Call it before
 * `app.listen()`; `app.close()` drains the connections over `HEARTH_DRAIN_SECONDS`.
 */
export async function attachGateway(app: NestFastifyApplication): Promise<void> {
  const { handshake, rpc } = app.get(Gateway, { strict: false });
  app.useWebSocketAdapter(new RealtimeAdapter(app.getHttpServer(), app.get<HearthConfig>(CONFIG), handshake));
  app.connectMicroservice({ strategy: rpc });
  await app.startAllMicroservices();
}
