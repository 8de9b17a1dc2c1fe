import { DynamicModule, Module } from '@nestjs/common';
import { ConnectionController, HISTORY_CONNECTIONS, HistoryConnections } from './connection.controller';
import { StorageController } from './storage.controller';

/** Client HTTP API of one process. */
@Module({})
export class HistoryModule {
  static register(connections: HistoryConnections): DynamicModule {
    return {
      module: HistoryModule,
      controllers: [ConnectionController, StorageController],
      providers: [{ provide: HISTORY_CONNECTIONS, useValue: connections }],
    };
  }
}
