import { Controller, HttpCode, Inject, Post, Req } from '@nestjs/common';
import { storageDataFrame, storageItem, STORAGE_SET_EVENT } from '@hearth/protocol';
import { HearthConfig } from '@hearth/config';
import { CONFIG, originReader, rawBody } from '@hearth/runtime';
import { listStorageEntries, readStorageEntry } from '@hearth/store';
import type { ConnectionCredentials } from '@hearth/stream';
import type { FastifyRequest } from 'fastify';
import { ClientCalls } from './client-calls';
import { Credentials, parseStorageGet, parseStorageList, parseStorageSet } from './client-request';
import { listReadableStorage, ReadStorage } from './storage-list';

/** Channel storage over the client HTTP API (client-http-api §6). */
@Controller('connection')
export class StorageController {
  private readonly originOf: ReturnType<typeof originReader>;

  constructor(
    private readonly calls: ClientCalls,
    @Inject(CONFIG) private readonly config: HearthConfig,
  ) {
    this.originOf = originReader(config);
  }

  @Post('channelStorageSet')
  @HttpCode(202)
  async set(@Credentials() credentials: ConnectionCredentials, @Req() request: FastifyRequest): Promise<string> {
    const { channel, scheduleArn } = await this.calls.ask(request, credentials, {
      operation: 'channelStorageSet',
      ...parseStorageSet(rawBody(request)),
      ...this.originOf(request.raw),
    });
    return JSON.stringify({ channel, event: STORAGE_SET_EVENT, scheduleArn });
  }

  @Post('channelStorageGet')
  @HttpCode(200)
  async get(@Credentials() credentials: ConnectionCredentials, @Req() request: FastifyRequest): Promise<string> {
    const { channel: name, key } = parseStorageGet(rawBody(request));
    const { channel } = await this.calls.ask(request, credentials, {
      operation: 'channelStorageGet',
      channel: name,
      key,
    });
    const entry = await this.calls.read(request, credentials, (db) => readStorageEntry(db, channel, key));
    return storageDataFrame(channel, key, entry && { dataJson: entry.data, metaJson: entry.meta });
  }

  @Post('channelStorageList')
  @HttpCode(200)
  async list(@Credentials() credentials: ConnectionCredentials, @Req() request: FastifyRequest): Promise<string> {
    const deadlineMs = performance.now() + this.config.httpTimeoutMs;
    const { channel: name, ...page } = parseStorageList(rawBody(request));
    const { channel, keys: named } = await this.calls.ask(request, credentials, {
      operation: 'channelStorageList',
      channel: name,
    });
    const readable = async (keys: readonly string[]) =>
      (await this.calls.ask(request, credentials, { operation: 'readableStorageKeys', channel, keys })).keys;
    const read: ReadStorage = (page) => this.calls.read(request, credentials, (db) => listStorageEntries(db, page));
    const entries = await listReadableStorage(read, { channel, keys: named, readable }, page, deadlineMs);
    return `{"items":[${entries.map(storageItem).join(',')}]}`;
  }
}
