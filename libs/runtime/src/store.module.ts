import {
  assertSchemaIsCurrent,
  Database,
  ensurePartitions,
  migrate,
  openDatabase,
  untilReachable,
} from '@hearth/store';
import { untilAborted } from '@hearth/timing';
import { Global, Inject, Module, type DynamicModule, type OnApplicationShutdown } from '@nestjs/common';
import { AdminServer } from './admin/admin-server';
import { ClockWatch } from './clock-watch';
import { type HearthConfig, required } from '@hearth/config';
import type { Logger } from './log/logger';
import { CONFIG, INTERRUPTED, LOGGER, TIME_UP } from './service-module';

/** Sessions that wait for an answer of a server that is away end with the process. */
const CLOSE_MS = 500;

/** What must be so before anything uses the database. It is repeated while Postgres is away. */
export type PrepareStore = (database: Database, config: HearthConfig, logger: Logger) => Promise<void>;

/** The one pool of Postgres connections of a process, for all its modules. Closed last, when nobody uses it any more. */
@Global()
@Module({})
export class StoreModule implements OnApplicationShutdown {
  constructor(
    private readonly database: Database,
    @Inject(TIME_UP) private readonly timeUp: AbortSignal,
  ) {}

  static of(prepare: PrepareStore): DynamicModule {
    const open = async (config: HearthConfig, logger: Logger, admin: AdminServer, interrupted: AbortSignal) => {
      const database = openDatabase(required(config, 'databaseUrl'), {
        applicationName: config.service === 'hearth' ? 'hearth' : `hearth-${config.service}`,
        max: config.databasePool,
        log: (line) => logger.warn(line),
      });
      // Messages are accepted while Postgres is away, which is therefore no reason to send none.
      if (config.service !== 'publish-api') admin.addCheck('postgres', () => database.ping());
      const onWaiting = (reason: string) => logger.warn(`Waiting for Postgres: ${reason}`);
      try {
        await untilReachable(() => prepare(database, config, logger), onWaiting, interrupted);
      } catch (error) {
        await database.close();
        throw error;
      }
      return database;
    };
    const provider = { provide: Database, useFactory: open, inject: [CONFIG, LOGGER, AdminServer, INTERRUPTED] };
    return { module: StoreModule, providers: [provider, ClockWatch], exports: [Database, ClockWatch] };
  }

  async onApplicationShutdown(): Promise<void> {
    await untilAborted(this.timeUp, this.database.close(), CLOSE_MS);
  }
}

/** For services that read. */
export async function requireSchema({ db }: Database): Promise<void> {
  await assertSchemaIsCurrent(db);
}

/** For the all-in-one, which has no step before its start. */
export async function requireMigrated(database: Database, config: HearthConfig): Promise<void> {
  await migrate(required(config, 'databaseUrl'));
  await requirePartitions(database, config);
}

/** For services that put messages into partitions, or process them. */
export async function requirePartitions({ db }: Database, { partitions }: HearthConfig): Promise<void> {
  await assertSchemaIsCurrent(db);
  await ensurePartitions(db, partitions);
}
