import 'reflect-metadata';
import { requirePartitions, runService, startHttpApp, StoreModule, StreamModule } from '@hearth/runtime';
import { ensureStreams } from '@hearth/stream';
import { attachGateway, GatewayModule } from './gateway.module';

const modules = [StoreModule.of(requirePartitions), StreamModule.of(ensureStreams), GatewayModule];

/** gateway on its own: needs NATS, and Postgres for its number and for single-use tokens. */
void runService({ name: 'gateway', start: startHttpApp(modules, attachGateway) });
