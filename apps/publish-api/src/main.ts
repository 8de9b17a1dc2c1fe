import 'reflect-metadata';
import { createHttpApp, runService, ServiceModule } from '@hearth/service';
import { ensureStreams, IngestPublisher, StreamConnection } from '@hearth/stream';
import { PublishApiModule } from './publish-api.module';

/** publish-api on its own: needs NATS only. */
void runService({
  name: 'publish-api',
  start: async (context) => {
    const { config, logger, admin } = context;
    const stream = await StreamConnection.open(config, 'publish-api', logger);
    await ensureStreams(await stream.manager(), config);
    const ingest = new IngestPublisher(stream, config);
    admin.addCheck('nats', () => stream.ping());
    const app = await createHttpApp(
      { module: PublishApiModule, imports: [ServiceModule.of(context), PublishApiModule.register(ingest)] },
      config,
      logger,
    );
    await app.listen(config.port, config.host);
    return {
      drain: async () => {
        await app.close();
        ingest.close();
        await stream.close();
      },
    };
  },
});
