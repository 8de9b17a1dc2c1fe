import 'reflect-metadata';
import { NestLogger, required, runService, ServiceModule } from '@hearth/runtime';
import { StreamConnection } from '@hearth/stream';
import { assertSchemaIsCurrent, openDatabase } from '@hearth/store';
import { NestFactory } from '@nestjs/core';
import { WebhooksModule } from './webhooks.module';

/** webhooks on its own: of any number, one at a time sends to a URL. Speaks HTTP to your backends only. */
void runService({
  name: 'webhooks',
  start: async (context) => {
    const { config, logger, admin } = context;
    const database = openDatabase(required(config, 'databaseUrl'), {
      applicationName: 'hearth-webhooks',
      max: config.databasePool,
      log: (line) => logger.warn(line),
    });
    await assertSchemaIsCurrent(database.db);
    const stream = await StreamConnection.open(config, 'webhooks', logger, context);
    admin.addCheck('postgres', () => database.ping());
    const app = await NestFactory.createApplicationContext(
      {
        module: WebhooksModule,
        imports: [ServiceModule.of(context), WebhooksModule.register({ stream, database, admin })],
      },
      { logger: new NestLogger(logger), abortOnError: false },
    );
    return {
      drain: async () => {
        await app.close();
        await stream.close();
        await database.close();
      },
    };
  },
});
