import 'reflect-metadata';
import { createHttpApp, listen, required, runService, ServiceModule } from '@hearth/runtime';
import { StreamConnection } from '@hearth/stream';
import { assertSchemaIsCurrent, openDatabase } from '@hearth/store';
import type { AddressInfo } from 'node:net';
import { HistoryModule } from './history.module';

/** history on its own: reads Postgres, asks gateways through NATS. */
void runService({
  name: 'history',
  start: async (context) => {
    const { config, logger, admin } = context;
    const database = openDatabase(required(config, 'databaseUrl'), {
      applicationName: 'hearth-history',
      max: config.databasePool,
      log: (line) => logger.warn(line),
    });
    await assertSchemaIsCurrent(database.db);
    const stream = await StreamConnection.open(config, 'history', logger, context);
    admin.addCheck('postgres', () => database.ping());
    const app = await createHttpApp(
      { module: HistoryModule, imports: [ServiceModule.of(context), HistoryModule.register({ stream, database })] },
      config,
      logger,
    );
    await listen(app, config);
    return {
      port: (app.getHttpServer().address() as AddressInfo).port,
      drain: async () => {
        await app.close();
        await stream.close();
        await database.close();
      },
    };
  },
});
