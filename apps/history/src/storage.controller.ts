import { Controller, HttpCode, Inject, Post, Req } from '@nestjs/common';
import { storageDataFrame, storageItem, STORAGE_SET_EVENT } from '@hearth/protocol';
import { HearthConfig } from '@hearth/config';
import { CONFIG, originReader, rawBody } from '@hearth/runtime';
import { Database, readStorageEntry } from '@hearth/store';
import { AnswerTo, ConnectionCredentials, StorageRequest, StreamConnection } from '@hearth/stream';
import type { FastifyRequest } from 'fastify';
import { askGateway } from './ask-gateway';
import { Credentials, parseStorageGet, parseStorageList, parseStorageSet } from './client-request';
import { listReadableStorage } from './storage-list';

/** Channel storage over the client HTTP API (client-http-api §6). */
@Controller('connection')
export class StorageController {
  private readonly originOf: ReturnType<typeof originReader>;

  constructor(
    private readonly stream: StreamConnection,
    private readonly database: Database,
    @Inject(CONFIG) private readonly config: HearthConfig,
  ) {
    this.originOf = originReader(config);
  }

  @Post('channelStorageSet')
  @HttpCode(202)
  async set(@Credentials() credentials: ConnectionCredentials, @Req() request: FastifyRequest): Promise<string> {
    const { channel, scheduleArn } = await this.ask(credentials, {
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
    const { channel } = await this.ask(credentials, { operation: 'channelStorageGet', channel: name, key });
    const entry = await readStorageEntry(this.database.db, channel, key);
    return storageDataFrame(channel, key, entry && { dataJson: entry.data, metaJson: entry.meta });
  }

  @Post('channelStorageList')
  @HttpCode(200)
  async list(@Credentials() credentials: ConnectionCredentials, @Req() request: FastifyRequest): Promise<string> {
    const deadlineMs = performance.now() + this.config.httpTimeoutMs;
    const { channel: name, ...page } = parseStorageList(rawBody(request));
    const { channel, keys: named } = await this.ask(credentials, { operation: 'channelStorageList', channel: name });
    const readable = async (keys: readonly string[]) =>
      (await this.ask(credentials, { operation: 'readableStorageKeys', channel, keys })).keys;
    const { db } = this.database;
    const entries = await listReadableStorage(db, { channel, keys: named, readable }, page, deadlineMs);
    return `{"items":[${entries.map(storageItem).join(',')}]}`;
  }

  private ask<R extends StorageRequest>(credentials: ConnectionCredentials, question: R): Promise<AnswerTo<R>> {
    return askGateway(this.stream, this.database, credentials, question, this.config.httpTimeoutMs);
  }
}
