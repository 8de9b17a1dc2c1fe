import { AuditModule, DocumentRoutes } from '@hearth/runtime';
import { Module } from '@nestjs/common';
import { AwsSignatures } from './aws-signatures';
import { Callers } from './callers';
import { ChannelsController } from './channels.controller';
import { LambdaRoutes } from './lambda.routes';
import { KeyLimits } from './limits/key-limits';
import { Changes } from './management/changes';
import { Closing } from './management/closing';
import { ClosingController } from './management/closing.controller';
import { DeadLettersController } from './management/dead-letters.controller';
import { Gateways } from './management/gateways';
import { ListsController } from './management/lists.controller';
import { MessagesController } from './management/messages.controller';
import { Revocations } from './management/revocations';
import { RevocationsController } from './management/revocations.controller';
import { Publisher } from './publisher';
import { PublishRoutes } from './publish.routes';
import { SchedulesController } from './schedules.controller';

/** Server-side HTTP API of one process. */
@Module({
  imports: [AuditModule],
  controllers: [
    ChannelsController,
    SchedulesController,
    ListsController,
    MessagesController,
    DeadLettersController,
    ClosingController,
    RevocationsController,
  ],
  providers: [
    AwsSignatures,
    Callers,
    Changes,
    Closing,
    DocumentRoutes,
    Gateways,
    KeyLimits,
    Revocations,
    Publisher,
    PublishRoutes,
    LambdaRoutes,
  ],
})
export class PublishApiModule {}
