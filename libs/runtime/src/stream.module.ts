import { Database } from '@hearth/store';
import { ensureStreams, IngestPublisher, StreamConnection, untilAnswering } from '@hearth/stream';
import { untilAborted } from '@hearth/timing';
import { Global, Inject, Module, type DynamicModule, type OnApplicationShutdown } from '@nestjs/common';
import { AdminServer } from './admin/admin-server';
import type { HearthConfig } from '@hearth/config';
import type { Logger } from './log/logger';
import { CONFIG, INTERRUPTED, LOGGER, TIME_UP } from './service-module';

/** A connection whose server does not answer ends with the process. */
const CLOSE_MS = 500;

/** What must be so before anything is sent. It is repeated while JetStream does not answer. */
export type PrepareStreams = (stream: StreamConnection, config: HearthConfig, logger: Logger) => Promise<unknown>;

/**
 * The one NATS connection of a process and its way to the sequencers, for all its modules. Global modules are the last to
 * be told of the shutdown, so everything that publishes has finished when these two are closed.
 */
@Global()
@Module({})
export class StreamModule implements OnApplicationShutdown {
  constructor(
    private readonly stream: StreamConnection,
    private readonly ingest: IngestPublisher,
    @Inject(TIME_UP) private readonly timeUp: AbortSignal,
  ) {}

  /** @param prepare for services that need the streams: they are kept from then on, and are part of `/readyz` */
  static of(prepare?: PrepareStreams): DynamicModule {
    const open = async (config: HearthConfig, logger: Logger, admin: AdminServer, interrupted: AbortSignal) => {
      const name = config.service === 'hearth' ? 'all-in-one' : config.service;
      const stream = await StreamConnection.open(config, name, logger, { admin, interrupted });
      if (prepare === undefined) return stream;
      const upkeep = stream.keepStreams(() => ensureStreams(stream, config));
      admin.addCheck('streams', () => upkeep.check());
      const onWaiting = (reason: string) => logger.warn(`Waiting for NATS: ${reason}`);
      try {
        await untilAnswering(() => prepare(stream, config, logger), onWaiting, interrupted);
      } catch (error) {
        await stream.close();
        throw error;
      }
      return stream;
    };
    return {
      module: StreamModule,
      providers: [
        {
          provide: StreamConnection,
          useFactory: open,
          // After Postgres, which knows whether the number of partitions is right that the streams are made for.
          inject: [CONFIG, LOGGER, AdminServer, INTERRUPTED, Database],
        },
        {
          provide: IngestPublisher,
          useFactory: (stream: StreamConnection, config: HearthConfig) => new IngestPublisher(stream, config),
          inject: [StreamConnection, CONFIG],
        },
      ],
      exports: [StreamConnection, IngestPublisher],
    };
  }

  async onApplicationShutdown(): Promise<void> {
    this.ingest.close();
    await untilAborted(this.timeUp, this.stream.close(), CLOSE_MS);
  }
}
