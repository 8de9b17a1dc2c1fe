import 'reflect-metadata';
import { outputsOf, withInstallationKeys, type GeneratedKeys } from '@hearth/config';
import {
  requireMigrated,
  runService,
  startHttpApp,
  StoreModule,
  StreamModule,
  type RunningService,
  type ServiceContext,
} from '@hearth/runtime';
import { prepareStreams } from '@hearth/stream';
import { attachGateway, GatewayModule } from '../../gateway/src/gateway.module';
import { HistoryModule } from '../../history/src/history.module';
import { PublishApiModule } from '../../publish-api/src/publish-api.module';
import { SequencerModule } from '../../sequencer/src/sequencer.module';
import { WebhooksModule } from '../../webhooks/src/webhooks.module';
import { keepAddress, loadOrCreateKeys } from '@hearth/data-dir';
import { startEmbeddedServers, type EmbeddedServers } from '@hearth/embedded';
import { welcomeText } from './welcome';

let generated: GeneratedKeys | undefined;

/** All services in one process on one port, with the servers they need unless others are given. */
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
  try {
    // Waiting for a server that is not started again would never end.
    const services = await Promise.race([startServices(context, servers), failureOf(servers)]);
    const outputs = outputsOf(config, services.port);
    await keepAddress(config.dataDir, { ...outputs, adminPort: config.adminPort }).catch((error: unknown) =>
      logger.warn({ err: error }, 'the address could not be written down for the hearth command'),
    );
    process.stderr.write(await welcomeText(outputs, generated, config.reloadable.current, process.stderr.isTTY));
    // Whatever cannot be closed must not leave the servers running: they would outlive us.
    return { ...services, drain: () => services.drain().finally(() => servers.stop()), failed: servers.lost };
  } catch (error) {
    await servers.stop();
    throw error;
  }
}

async function startServices(
  { config, ...context }: ServiceContext,
  { databaseUrl, natsUrl }: EmbeddedServers,
): Promise<RunningService> {
  const services = [SequencerModule, PublishApiModule, HistoryModule, GatewayModule];
  const webhooks = config.webhookUrls.length > 0 ? [WebhooksModule] : [];
  const modules = [StoreModule.of(requireMigrated), StreamModule.of(prepareStreams), ...services, ...webhooks];
  const start = startHttpApp(modules, attachGateway);
  return start({ ...context, config: { ...config, databaseUrl, natsUrls: natsUrl.split(',') } });
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
