import { AuditModule, DocumentRoutes } from '@hearth/runtime';
import { Module } from '@nestjs/common';
import { ConnectionController } from './connection.controller';
import { StorageController } from './storage.controller';

/** Client HTTP API of one process. */
@Module({
  imports: [AuditModule],
  controllers: [ConnectionController, StorageController],
  providers: [DocumentRoutes],
})
export class HistoryModule {}
