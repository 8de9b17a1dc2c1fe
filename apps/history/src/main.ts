import 'reflect-metadata';
import { requireSchema, runService, startHttpApp, StoreModule, StreamModule } from '@hearth/runtime';
import { HistoryModule } from './history.module';

const modules = [StoreModule.of(requireSchema), StreamModule.of(), HistoryModule];

/** history on its own: reads Postgres, asks gateways through NATS. */
void runService({ name: 'history', start: startHttpApp(modules) });
