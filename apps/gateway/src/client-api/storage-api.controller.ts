import { Controller, UseFilters } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { Answered, CallOf, KeepErrors } from './client-api.controller';
import { ClientStorage } from '../commands/client-storage';
import { Connections } from '../connection/connections';

/** What the client HTTP API asks about a connection's rights on storage entries (client-http-api §6). */
@Controller()
@UseFilters(KeepErrors)
export class StorageApiController {
  constructor(
    private readonly connections: Connections,
    private readonly storage: ClientStorage,
  ) {}

  /** Writes as the connection; answers once everybody can read it. */
  @MessagePattern('channelStorageSet')
  async channelStorageSet(@Payload() { credentials, request }: CallOf<'channelStorageSet'>): Promise<Answered> {
    const connection = this.connections.authenticate(credentials.connectionId, credentials.connectionSecret);
    const { sourceIp, userAgent } = request;
    const origin = { trigger: 'client.http', sourceIp, userAgent } as const;
    const { channel, scheduleArn, done } = this.storage.set(connection, request, origin, true);
    await done;
    return { answer: { operation: 'channelStorageSet', channel, scheduleArn } };
  }

  /** Whether the entry may be read; it is up to date in Postgres then. */
  @MessagePattern('channelStorageGet')
  async channelStorageGet(@Payload() { credentials, request }: CallOf<'channelStorageGet'>): Promise<Answered> {
    const connection = this.connections.authenticate(credentials.connectionId, credentials.connectionSecret);
    const channel = await this.storage.prepareGet(connection, request.channel, request.key);
    return { answer: { operation: 'channelStorageGet', channel } };
  }

  /** Which channel is meant, and the keys that may be read if they can be named. */
  @MessagePattern('channelStorageList')
  async channelStorageList(@Payload() { credentials, request }: CallOf<'channelStorageList'>): Promise<Answered> {
    const connection = this.connections.authenticate(credentials.connectionId, credentials.connectionSecret);
    const { channel, keys } = await this.storage.prepareList(connection, request.channel);
    return { answer: { operation: 'channelStorageList', channel, keys } };
  }

  /** Those of some keys that may be read. */
  @MessagePattern('readableStorageKeys')
  readableStorageKeys(@Payload() { credentials, request }: CallOf<'readableStorageKeys'>): Answered {
    const connection = this.connections.authenticate(credentials.connectionId, credentials.connectionSecret);
    const keys = this.storage.readable(connection, request.channel, request.keys);
    return { answer: { operation: 'readableStorageKeys', keys } };
  }
}
