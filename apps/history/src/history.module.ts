import { AuditModule, DocumentRoutes } from '@hearth/runtime';
import { Module } from '@nestjs/common';
import { ClientCalls } from './client-calls';
import { ConnectionController } from './connection.controller';
import { StorageController } from './storage.controller';

/** Client HTTP API of one process. */
@Module({
  imports: [AuditModule],
  controllers: [ConnectionController, StorageController],
  providers: [ClientCalls, DocumentRoutes],
})
export class HistoryModule {}
