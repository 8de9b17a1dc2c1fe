import 'reflect-metadata';
import type { AddressInfo } from 'node:net';
import { createHttpApp, listen, required, runService, ServiceModule } from '@hearth/runtime';
import { assertSchemaIsCurrent, ensurePartitions, openDatabase } from '@hearth/store';
import { ensureStreams, IngestPublisher, StreamConnection } from '@hearth/stream';
import { attachGateway, GatewayModule } from './gateway.module';

/** gateway on its own: needs NATS, and Postgres for its number and for single-use tokens. */
void runService({
  name: 'gateway',
  start: async (context) => {
    const { config, logger, admin } = context;
    const database = openDatabase(required(config, 'databaseUrl'), {
      applicationName: 'hearth-gateway',
      max: config.databasePool,
      log: (line) => logger.warn(line),
    });
    await assertSchemaIsCurrent(database.db);
    await ensurePartitions(database.db, config.partitions);
    const stream = await StreamConnection.open(config, 'gateway', logger, context);
    await ensureStreams(await stream.manager(), config);
    const ingest = new IngestPublisher(stream, config);
    admin.addCheck('postgres', () => database.ping());
    const gateway = GatewayModule.register({ stream, database, ingest });
    const app = await createHttpApp(
      { module: GatewayModule, imports: [ServiceModule.of(context), gateway] },
      config,
      logger,
    );
    await attachGateway(app);
    await listen(app, config);
    return {
      port: (app.getHttpServer().address() as AddressInfo).port,
      drain: async () => {
        await app.close();
        ingest.close();
        await stream.close();
        await database.close();
      },
    };
  },
});
