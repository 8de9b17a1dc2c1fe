import 'reflect-metadata';
import { runService, startHttpApp, StoreModule, StreamModule } from '@hearth/runtime';
import { ensureStreams } from '@hearth/stream';
import { agreeOnPartitions } from './partition-count';
import { PublishApiModule } from './publish-api.module';

const modules = [StoreModule.of(agreeOnPartitions), StreamModule.of(ensureStreams), PublishApiModule];

/** publish-api on its own. It only reads from Postgres, and not for messages: those are accepted while Postgres is away. */
void runService({ name: 'publish-api', start: startHttpApp(modules) });
