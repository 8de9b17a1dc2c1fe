import { DynamicModule, Module } from '@nestjs/common';
import type { IngestPublisher } from '@hearth/stream';
import { INGEST, Publisher } from './publisher';
import { LambdaRoutes } from './lambda.routes';
import { PublishRoutes } from './publish.routes';

/** Server-side HTTP API of one process. */
@Module({})
export class PublishApiModule {
  static register(ingest: IngestPublisher): DynamicModule {
    return {
      module: PublishApiModule,
      providers: [{ provide: INGEST, useValue: ingest }, Publisher, PublishRoutes, LambdaRoutes],
    };
  }
}
