import { DynamicModule, Module } from '@nestjs/common';
import type { Database } from '@hearth/store';
import type { IngestPublisher } from '@hearth/stream';
import { ApiKeyGuard } from './api-key.guard';
import { AwsSignatures } from './aws-signatures';
import { ChannelsController } from './channels.controller';
import { DATABASE, INGEST, Publisher } from './publisher';
import { LambdaRoutes } from './lambda.routes';
import { PublishRoutes } from './publish.routes';
import { SchedulesController } from './schedules.controller';

/** Server-side HTTP API of one process. */
@Module({})
export class PublishApiModule {
  static register(ingest: IngestPublisher, database: Database): DynamicModule {
    return {
      module: PublishApiModule,
      controllers: [ChannelsController, SchedulesController],
      providers: [
        { provide: INGEST, useValue: ingest },
        { provide: DATABASE, useValue: database },
        ApiKeyGuard,
        AwsSignatures,
        Publisher,
        PublishRoutes,
        LambdaRoutes,
      ],
    };
  }
}
