import 'reflect-metadata';
import { createHttpApp, listen, required, runService, ServiceModule } from '@hearth/runtime';
import { openDatabase } from '@hearth/store';
import type { AddressInfo } from 'node:net';
import { ensureStreams, IngestPublisher, StreamConnection } from '@hearth/stream';
import { agreeOnPartitions } from './partition-count';
import { PublishApiModule } from './publish-api.module';

/**
 * publish-api on its own. It only reads from Postgres, and not for messages: those are accepted while Postgres is away,
 * which is therefore no reason to be not ready.
 */
void runService({
  name: 'publish-api',
  start: async (context) => {
    const { config, logger } = context;
    const database = openDatabase(required(config, 'databaseUrl'), {
      applicationName: 'hearth-publish-api',
      max: config.databasePool,
      log: (line) => logger.warn(line),
    });
    await agreeOnPartitions(database, config, logger);
    const stream = await StreamConnection.open(config, 'publish-api', logger, context);
    await ensureStreams(await stream.manager(), config);
    const ingest = new IngestPublisher(stream, config);
    const app = await createHttpApp(
      { module: PublishApiModule, imports: [ServiceModule.of(context), PublishApiModule.register(ingest, database)] },
      config,
      logger,
    );
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
