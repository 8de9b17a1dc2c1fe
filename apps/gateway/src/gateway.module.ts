import { type BeforeApplicationShutdown, Inject, Module, type OnApplicationShutdown } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { HearthConfig } from '@hearth/config';
import {
  AuditModule,
  Backlogs,
  CONFIG,
  ConsoleRoutes,
  DocumentRoutes,
  INTERRUPTED,
  LOGGER,
  TIME_UP,
  type Logger,
} from '@hearth/runtime';
import { Database } from '@hearth/store';
import { every, untilAborted, type Repeated, installationNow } from '@hearth/timing';
import { Attendance } from './attendance/attendance';
import { Barriers } from './attendance/barriers';
import { Presence } from './attendance/presence-notices';
import { SubscriptionReports } from './attendance/subscription-reports';
import { Hub } from './channel/hub';
import { ClientApiController } from './client-api/client-api.controller';
import { GatewayRpcStrategy } from './client-api/gateway-rpc.strategy';
import { StorageApiController } from './client-api/storage-api.controller';
import { ClientPublish } from './commands/client-publish';
import { ClientReactions } from './commands/client-reactions';
import { ClientStorage } from './commands/client-storage';
import { Joining } from './commands/joining';
import { Requests } from './commands/client-requests';
import { StorageReader } from './commands/storage-reader';
import { UmdUpdates } from './commands/umd-updates';
import { ConnectionEvents } from './connection/connection-events';
import { ConnectionHost } from './connection/connection-host';
import { ConnectionRegistry } from './connection/connection-registry';
import { Tokens } from './connection/tokens';
import { Denials } from './denials/denials';
import { Enforcement } from './denials/enforcement';
import { GatewayLease } from './gateway-lease';
import { ChannelCaps } from './limits/channel-caps';
import { Limits } from './limits/connection-limits';
import { UidLimits } from './limits/uid-limits';
import { WorkTurns } from './limits/work-turns';
import { DeliveryTraces } from './management/delivery-trace';
import { EndedConnections } from './management/ended-connections';
import { Listing } from './management/listing';
import { Management } from './management/management';
import { ChannelPast } from './resume/channel-past';
import { MissedLog } from './resume/missed-log';
import { StreamReadTurns } from './resume/stream-read-turns';
import { Resume } from './resume/resume';
import { ResumeKeys } from './resume/resume-keys';
import { Resumption } from './resume/resumption';
import { ClientGateway } from './transport/client.gateway';
import { Handshake } from './transport/handshake';
import { RealtimeAdapter } from './transport/realtime.adapter';
import { UpgradeRequired } from './transport/upgrade-required';

/** Heartbeats must be noticed within a second; half of it leaves room for a busy moment. */
const SWEEP_MS = 500;
/** A number that is not given back in this time is free when its lease has run out. */
const RELEASE_MS = 500;

/** Clients' connections of one process; `attachGateway` opens its doors. */
@Module({
  imports: [AuditModule],
  controllers: [ClientApiController, StorageApiController],
  providers: [
    {
      provide: GatewayLease,
      useFactory: (database: Database, config: HearthConfig, logger: Logger, interrupted: AbortSignal) =>
        GatewayLease.claim(database, config.processId, logger, interrupted),
      inject: [Database, CONFIG, LOGGER, INTERRUPTED],
    },
    ClientGateway,
    Handshake,
    GatewayRpcStrategy,
    UpgradeRequired,
    ConsoleRoutes,
    DocumentRoutes,
    ConnectionRegistry,
    ConnectionHost,
    ConnectionEvents,
    Tokens,
    {
      provide: Denials,
      // Behind the lease: what is denied from then on, this gateway is told, or counts as one that did not hear it.
      useFactory: (
        database: Database,
        logger: Logger,
        config: HearthConfig,
        interrupted: AbortSignal,
        _lease: GatewayLease,
      ) => Denials.open(database, logger, config, interrupted),
      inject: [Database, LOGGER, CONFIG, INTERRUPTED, GatewayLease],
    },
    Enforcement,
    Limits,
    ChannelCaps,
    UidLimits,
    WorkTurns,
    DeliveryTraces,
    EndedConnections,
    Listing,
    Management,
    Hub,
    Joining,
    ChannelPast,
    StreamReadTurns,
    Resume,
    Resumption,
    {
      provide: ResumeKeys,
      useFactory: (database: Database, config: HearthConfig, logger: Logger, interrupted: AbortSignal) =>
        ResumeKeys.open(database, config, logger, interrupted),
      inject: [Database, CONFIG, LOGGER, INTERRUPTED],
    },
    MissedLog,
    ClientPublish,
    ClientReactions,
    ClientStorage,
    StorageReader,
    UmdUpdates,
    Requests,
    Attendance,
    Presence,
    SubscriptionReports,
    Barriers,
  ],
})
export class GatewayModule implements BeforeApplicationShutdown, OnApplicationShutdown {
  /** One timer serves all connections, and whatever else time makes demands on. */
  private readonly sweeper: Repeated;

  constructor(
    private readonly registry: ConnectionRegistry,
    private readonly hub: Hub,
    private readonly attendance: Attendance,
    private readonly events: ConnectionEvents,
    private readonly lease: GatewayLease,
    private readonly resume: Resume,
    @Inject(TIME_UP) private readonly timeUp: AbortSignal,
    rpc: GatewayRpcStrategy,
    management: Management,
  ) {
    this.sweeper = every(SWEEP_MS, () => this.sweep());
    management.listen();
    lease.onReplaced(() => {
      rpc.listen(() => undefined);
      management.listen();
      registry.closeAll();
    });
  }

  /** Clients leave while the rest of the process still works, so that what they sent last is still accepted. */
  async beforeApplicationShutdown(): Promise<void> {
    await this.registry.drain();
    await untilAborted(this.timeUp, this.attendance.settle());
    await this.events.settle(this.timeUp);
  }

  async onApplicationShutdown(): Promise<void> {
    void this.sweeper.stop();
    this.registry.closeAll();
    this.hub.stop();
    this.attendance.close();
    await untilAborted(this.timeUp, this.lease.release(), RELEASE_MS);
  }

  private sweep(): void {
    const nowMs = performance.now();
    this.registry.sweep(nowMs, installationNow());
    this.hub.sweep(nowMs);
    this.resume.rights.sweep(nowMs);
  }
}

/**
 * Puts the gateway of an application that imports `GatewayModule` on its HTTP server and on NATS. Call it before
 * `app.listen()`; `app.close()` drains the connections over `HEARTH_DRAIN_SECONDS`.
 */
export async function attachGateway(app: NestFastifyApplication): Promise<void> {
  const [config, timeUp] = [app.get<HearthConfig>(CONFIG), app.get<AbortSignal>(TIME_UP)];
  const { plainPosts } = app.getHttpAdapter().getInstance();
  const [handshake, backlogs] = [app.get(Handshake), app.get(Backlogs)];
  app.useWebSocketAdapter(new RealtimeAdapter(app.getHttpServer(), plainPosts, config, handshake, backlogs, timeUp));
  app.connectMicroservice({ strategy: app.get(GatewayRpcStrategy) });
  await app.startAllMicroservices();
}
