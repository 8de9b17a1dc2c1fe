import { Controller, UseFilters } from '@nestjs/common';
import { MessagePattern } from '@nestjs/microservices';
import { ClientStorage } from '../commands/client-storage';
import { CallOf, KeepErrors, ReplyTo } from './gateway-rpc.strategy';

/** What the client HTTP API asks about a connection's rights on storage entries (client-http-api §6). */
@Controller()
@UseFilters(KeepErrors)
export class StorageApiController {
  constructor(private readonly storage: ClientStorage) {}

  /** Writes as the connection; answers once everybody can read it. */
  @MessagePattern('channelStorageSet')
  async channelStorageSet({ connection, request }: CallOf<'channelStorageSet'>): Promise<ReplyTo<'channelStorageSet'>> {
    const { sourceIp, userAgent } = request;
    const origin = { trigger: 'client.http', sourceIp, userAgent } as const;
    await this.storage.admit(connection, request);
    const { accepted, ...answer } = this.storage.set(connection, request, origin, true);
    await accepted;
    return answer;
  }

  /** Whether the entry may be read; it is up to date in Postgres then. */
  @MessagePattern('channelStorageGet')
  async channelStorageGet({ connection, request }: CallOf<'channelStorageGet'>): Promise<ReplyTo<'channelStorageGet'>> {
    return { channel: await this.storage.prepareGet(connection, request.channel, request.key) };
  }

  /** Which channel is meant, and the keys that may be read if they can be named. */
  @MessagePattern('channelStorageList')
  channelStorageList({ connection, request }: CallOf<'channelStorageList'>): Promise<ReplyTo<'channelStorageList'>> {
    return this.storage.prepareList(connection, request.channel);
  }

  /** Those of some keys that may be read. */
  @MessagePattern('readableStorageKeys')
  readableStorageKeys({ connection, request }: CallOf<'readableStorageKeys'>): ReplyTo<'readableStorageKeys'> {
    return { keys: this.storage.readable(connection, request.channel, request.keys) };
  }
}
