import { Module } from '@nestjs/common';
import { ApiKeyGuard } from './api-key.guard';
import { AwsSignatures } from './aws-signatures';
import { ChannelsController } from './channels.controller';
import { LambdaRoutes } from './lambda.routes';
import { Publisher } from './publisher';
import { PublishRoutes } from './publish.routes';
import { SchedulesController } from './schedules.controller';

/** Server-side HTTP API of one process. */
@Module({
  controllers: [ChannelsController, SchedulesController],
  providers: [ApiKeyGuard, AwsSignatures, Publisher, PublishRoutes, LambdaRoutes],
})
export class PublishApiModule {}
