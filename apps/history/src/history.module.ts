import { AuditModule } from '@hearth/runtime';
import { Module } from '@nestjs/common';
import { ConnectionController } from './connection.controller';
import { StorageController } from './storage.controller';

/** Client HTTP API of one process. */
@Module({ imports: [AuditModule], controllers: [ConnectionController, StorageController] })
export class HistoryModule {}
