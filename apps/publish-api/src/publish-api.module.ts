import { DynamicModule, Module } from '@nestjs/common';
import type { Database } from '@hearth/store';
import type { IngestPublisher } from '@hearth/stream';
import { ChannelsController } from './channels.controller';
import { DATABASE, INGEST, Publisher } from './publisher';
import { LambdaRoutes } from './lambda.routes';
import { PublishRoutes } from './publish.routes';
import { ScheduleCancelling } from './schedule-cancelling';
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
        Publisher,
        PublishRoutes,
        LambdaRoutes,
        ScheduleCancelling,
      ],
    };
  }
}
