import 'reflect-metadata';
import {
  createHttpApp,
  listen,
  outputsOf,
  runService,
  ServiceModule,
  withInstallationKeys,
  type GeneratedKeys,
  type RunningService,
  type ServiceContext,
} from '@hearth/runtime';
import { IngestPublisher, prepareStreams, StreamConnection } from '@hearth/stream';
import { ensurePartitions, migrate, openDatabase } from '@hearth/store';
import type { AddressInfo } from 'node:net';
import { attachGateway, GatewayModule } from '../../gateway/src/gateway.module';
import { HistoryModule } from '../../history/src/history.module';
import { PublishApiModule } from '../../publish-api/src/publish-api.module';
import { SequencerModule } from '../../sequencer/src/sequencer.module';
import { WebhooksModule } from '../../webhooks/src/webhooks.module';
import { loadOrCreateKeys, startEmbeddedServers, type EmbeddedServers } from '@hearth/embedded';
import { welcomeText } from './welcome';

/** All services in one process on one port, with the servers they need unless others are given. */
class HearthModule {}

let generated: GeneratedKeys | undefined;

async function start(context: ServiceContext): Promise<RunningService> {
  const { config, logger, interrupted } = context;
  const servers = await startEmbeddedServers({
    signal: interrupted,
    dataDir: config.dataDir,
    cacheDir: config.cacheDir,
    natsServer: config.natsServer,
    databaseUrl: config.databaseUrl,
    natsUrl: config.natsUrls.length === 0 ? undefined : config.natsUrls.join(','),
    log: (line) => logger.info(line),
    warn: (line) => logger.warn(line),
  });
  const closers = [() => servers.stop()];
  const closeAll = async (): Promise<void> => {
    const failures: unknown[] = [];
    // A part that cannot be closed must not leave the others running, least of all the servers: they would outlive us.
    for (const close of closers.reverse()) await close().catch((error: unknown) => failures.push(error));
    if (failures.length > 0) throw new AggregateError(failures, 'not everything could be closed');
  };
  try {
    // Waiting for a server that is not started again would never end.
    const port = await Promise.race([startServices(context, servers, closers), failureOf(servers)]);
    return { drain: closeAll, port, failed: servers.lost };
  } catch (error) {
    await closeAll();
    throw error;
  }
}

/** @returns the port they listen on; what has to be closed in the end, last first, is added to `closers` */
async function startServices(
  context: ServiceContext,
  servers: EmbeddedServers,
  closers: (() => Promise<void>)[],
): Promise<number> {
  const { config, logger, admin } = context;
  await migrate(servers.databaseUrl);
  const database = openDatabase(servers.databaseUrl, {
    applicationName: 'hearth',
    max: config.databasePool,
    log: (line) => logger.warn(line),
  });
  closers.push(() => database.close());
  await ensurePartitions(database.db, config.partitions);
  const stream = await StreamConnection.open(
    { ...config, natsUrls: servers.natsUrl.split(',') },
    'all-in-one',
    logger,
    context,
  );
  closers.push(() => stream.close());
  await prepareStreams(await stream.manager(), config, logger);
  const ingest = new IngestPublisher(stream, config);
  closers.push(async () => ingest.close());
  admin.addCheck('postgres', () => database.ping());
  const app = await createHttpApp(
    {
      module: HearthModule,
      imports: [
        ServiceModule.of(context),
        SequencerModule.register({ stream, database, databaseUrl: servers.databaseUrl }),
        PublishApiModule.register(ingest, database),
        HistoryModule.register({ stream, database }),
        GatewayModule.register({ stream, database, ingest }),
        ...(config.webhookUrls.length === 0 ? [] : [WebhooksModule.register({ stream, database, admin })]),
      ],
    },
    config,
    logger,
  );
  closers.push(() => app.close());
  await attachGateway(app);
  await listen(app, config);
  const { port } = app.getHttpServer().address() as AddressInfo;
  process.stderr.write(await welcomeText(outputsOf(config, port), generated));
  return port;
}

async function failureOf({ lost }: EmbeddedServers): Promise<never> {
  throw new Error(await lost);
}

void runService({
  name: 'hearth',
  environment: async (env) => {
    const prepared = await withInstallationKeys(env, loadOrCreateKeys);
    generated = prepared.generated;
    return prepared.env;
  },
  start,
});
