import { Controller, HttpCode, Inject, Post, Req, Res } from '@nestjs/common';
import { ProtocolError, storageDataFrame, storageItem, STORAGE_SET_EVENT } from '@hearth/protocol';
import { CONFIG, HearthConfig, Logger, LOGGER, rawBody, SourceIp, sourceIpReader, userAgentOf } from '@hearth/runtime';
import { Database, readStorageEntry } from '@hearth/store';
import { AnswerTo, ConnectionCredentials, StorageRequest, StreamConnection } from '@hearth/stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { askGateway } from './ask-gateway';
import { connectionCredentials, parseStorageGet, parseStorageList, parseStorageSet } from './client-request';
import { listReadableStorage } from './storage-list';

/** Channel storage over the client HTTP API (client-http-api §6). */
@Controller('connection')
export class StorageController {
  private readonly sourceIp: SourceIp;

  constructor(
    private readonly stream: StreamConnection,
    private readonly database: Database,
    @Inject(CONFIG) private readonly config: HearthConfig,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.sourceIp = sourceIpReader(config);
  }

  @Post('channelStorageSet')
  @HttpCode(202)
  async set(@Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply): Promise<string> {
    const credentials = connectionCredentials(request.raw.url ?? '');
    const { channel, scheduleArn } = await this.ask(credentials, {
      operation: 'channelStorageSet',
      ...parseStorageSet(rawBody(request)),
      sourceIp: this.sourceIp(request.raw),
      userAgent: userAgentOf(request.raw),
    });
    void reply.header('content-type', 'application/json');
    return JSON.stringify({ channel, event: STORAGE_SET_EVENT, scheduleArn });
  }

  @Post('channelStorageGet')
  @HttpCode(200)
  async get(@Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply): Promise<string> {
    const credentials = connectionCredentials(request.raw.url ?? '');
    const { channel: name, key } = parseStorageGet(rawBody(request));
    const { channel } = await this.ask(credentials, { operation: 'channelStorageGet', channel: name, key });
    const entry = await this.read(() => readStorageEntry(this.database.db, channel, key));
    void reply.header('content-type', 'application/json');
    return storageDataFrame(channel, key, entry && { dataJson: entry.data, metaJson: entry.meta });
  }

  @Post('channelStorageList')
  @HttpCode(200)
  async list(@Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply): Promise<string> {
    const deadlineMs = Date.now() + this.config.httpTimeoutMs;
    const credentials = connectionCredentials(request.raw.url ?? '');
    const { channel: name, ...page } = parseStorageList(rawBody(request));
    const { channel, keys: named } = await this.ask(credentials, { operation: 'channelStorageList', channel: name });
    const readable = async (keys: readonly string[]) =>
      (await this.ask(credentials, { operation: 'readableStorageKeys', channel, keys })).keys;
    const { db } = this.database;
    const entries = await this.read(() =>
      listReadableStorage(db, { channel, keys: named, readable }, page, deadlineMs),
    );
    void reply.header('content-type', 'application/json');
    return `{"items":[${entries.map(storageItem).join(',')}]}`;
  }

  private ask<R extends StorageRequest>(credentials: ConnectionCredentials, question: R): Promise<AnswerTo<R>> {
    return askGateway(this.stream, credentials, question, this.config.httpTimeoutMs);
  }

  /** Whatever keeps Postgres from answering, the client may ask again; why it did not is for the log. */
  private async read<T>(query: () => Promise<T>): Promise<T> {
    try {
      return await query();
    } catch (error) {
      if (error instanceof ProtocolError) throw error;
      this.logger.error({ err: error }, 'storage could not be read');
      throw new ProtocolError('SERVICE_UNAVAILABLE', 'storage cannot be read at the moment, try again', {
        cause: error,
      });
    }
  }
}
