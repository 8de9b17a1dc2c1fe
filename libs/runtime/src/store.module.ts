import { assertSchemaIsCurrent, Database, ensurePartitions, openDatabase } from '@hearth/store';
import {
  Global,
  Inject,
  Module,
  type DynamicModule,
  type OnApplicationShutdown,
  type OnModuleInit,
} from '@nestjs/common';
import { AdminServer } from './admin/admin-server';
import { required, type HearthConfig } from './config/config';
import type { Logger } from './log/logger';
import { CONFIG, LOGGER } from './service-module';

/** What must be so before anything uses the database; the process does not start when it rejects. */
export type PrepareStore = (database: Database, config: HearthConfig, logger: Logger) => Promise<void>;

/** The one pool of Postgres connections of a process, for all its modules. Closed last, when nobody uses it any more. */
@Global()
@Module({})
export class StoreModule implements OnModuleInit, OnApplicationShutdown {
  constructor(
    private readonly database: Database,
    private readonly admin: AdminServer,
    @Inject(CONFIG) private readonly config: HearthConfig,
  ) {}

  static of(prepare: PrepareStore): DynamicModule {
    const open = async (config: HearthConfig, logger: Logger): Promise<Database> => {
      const database = openDatabase(required(config, 'databaseUrl'), {
        applicationName: config.service === 'hearth' ? 'hearth' : `hearth-${config.service}`,
        max: config.databasePool,
        log: (line) => logger.warn(line),
      });
      await prepare(database, config, logger);
      return database;
    };
    const provider = { provide: Database, useFactory: open, inject: [CONFIG, LOGGER] };
    return { module: StoreModule, providers: [provider], exports: [Database] };
  }

  onModuleInit(): void {
    // Messages are accepted while Postgres is away, which is therefore no reason to send none.
    if (this.config.service !== 'publish-api') this.admin.addCheck('postgres', () => this.database.ping());
  }

  async onApplicationShutdown(): Promise<void> {
    await this.database.close();
  }
}

/** For services that read. */
export async function requireSchema({ db }: Database): Promise<void> {
  await assertSchemaIsCurrent(db);
}

/** For services that put messages into partitions, or process them. */
export async function requirePartitions({ db }: Database, { partitions }: HearthConfig): Promise<void> {
  await assertSchemaIsCurrent(db);
  await ensurePartitions(db, partitions);
}
