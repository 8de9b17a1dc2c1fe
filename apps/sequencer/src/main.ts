import 'reflect-metadata';
import { NestLogger, required, runService, ServiceModule } from '@hearth/runtime';
import { prepareStreams, StreamConnection } from '@hearth/stream';
import { assertSchemaIsCurrent, ensurePartitions, openDatabase } from '@hearth/store';
import { NestFactory } from '@nestjs/core';
import { SequencerModule } from './sequencer.module';

/** sequencer on its own: any number of them share the partitions. Speaks no HTTP to users. */
void runService({
  name: 'sequencer',
  start: async (context) => {
    const { config, logger, admin } = context;
    const databaseUrl = required(config, 'databaseUrl');
    const database = openDatabase(databaseUrl, {
      applicationName: 'hearth-sequencer',
      max: config.databasePool,
      log: (line) => logger.warn(line),
    });
    await assertSchemaIsCurrent(database.db);
    await ensurePartitions(database.db, config.partitions);
    const stream = await StreamConnection.open(config, 'sequencer', logger, context);
    await prepareStreams(await stream.manager(), config, logger);
    admin.addCheck('postgres', () => database.ping());
    const app = await NestFactory.createApplicationContext(
      {
        module: SequencerModule,
        imports: [ServiceModule.of(context), SequencerModule.register({ stream, database, databaseUrl })],
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
