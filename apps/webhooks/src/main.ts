import 'reflect-metadata';
import { requireSchema, runService, startApp, StoreModule, StreamModule } from '@hearth/runtime';
import { WebhooksModule } from './webhooks.module';

const modules = [StoreModule.of(requireSchema), StreamModule.of(), WebhooksModule];

/** webhooks on its own: of any number, one at a time sends to a URL. Speaks HTTP to your backends only. */
void runService({ name: 'webhooks', start: startApp(modules) });
