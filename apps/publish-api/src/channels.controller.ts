import {
  channelNameProblem,
  checkedStorageKey,
  checkedStorageKeys,
  ProtocolError,
  storageItem,
} from '@hearth/protocol';
import { ApiKeys, Logger, LOGGER } from '@hearth/runtime';
import { Database, listStorageEntries, readChannelInfo, StoragePageRequest } from '@hearth/store';
import { IngestPublisher, StreamUnavailableError } from '@hearth/stream';
import { Controller, Get, Inject, Param, Query, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { requireApiKey } from './api-key';
import { DATABASE, INGEST } from './publisher';

/** What backends may ask about channels (publish-api §11). Names are real names; aliases do not exist here. */
@Controller('channels')
export class ChannelsController {
  constructor(
    private readonly keys: ApiKeys,
    @Inject(INGEST) private readonly ingest: IngestPublisher,
    @Inject(DATABASE) private readonly database: Database,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** How many subscriptions a channel has, and who is in a presence channel; nobody, for one that nobody uses. */
  @Get(':name')
  async info(
    @Param('name') name: string,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<string> {
    this.admit(request, name);
    const { subscriptionsCount, membersJson } = await this.upToDate(name, () =>
      readChannelInfo(this.database.db, name),
    );
    void reply.header('content-type', 'application/json');
    const members = membersJson === undefined ? '' : `,"members":${membersJson}`;
    return `{"name":${JSON.stringify(name)},"subscriptionsCount":${subscriptionsCount}${members}}`;
  }

  /** A page of a channel's storage entries, sorted by key, or those of the given keys that exist. */
  @Get(':name/storage')
  async storage(
    @Param('name') name: string,
    @Query() query: Readonly<Record<string, unknown>>,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<string> {
    this.admit(request, name);
    const page = { channel: name, ...pageOf(query) };
    const { entries } = await this.upToDate(name, () => listStorageEntries(this.database.db, page));
    void reply.header('content-type', 'application/json');
    return `{"items":[${entries.map(storageItem).join(',')}]}`;
  }

  /** @throws ProtocolError `UNAUTHORIZED`, `INVALID_CHANNEL` */
  private admit(request: FastifyRequest, channel: string): void {
    requireApiKey(request.raw.headers, this.keys);
    const problem = channelNameProblem(channel);
    if (problem !== undefined) throw new ProtocolError('INVALID_CHANNEL', problem);
  }

  /** Reads once everything that was accepted for the channel before can be read. */
  private async upToDate<T>(channel: string, read: () => Promise<T>): Promise<T> {
    try {
      await this.ingest.barrier(channel);
      return await read();
    } catch (error) {
      if (!(error instanceof StreamUnavailableError)) this.logger.error({ err: error }, 'a channel could not be read');
      throw new ProtocolError('SERVICE_UNAVAILABLE', 'channels cannot be read at the moment, try again', {
        cause: error,
      });
    }
  }
}

/** With `keys`, `after` is ignored (publish-api §11). */
function pageOf(query: Readonly<Record<string, unknown>>): Pick<StoragePageRequest, 'keys' | 'after'> {
  const keys = text(query, 'keys');
  if (keys !== '') return { keys: checkedStorageKeys(keys.split(',').filter((key) => key !== '')) };
  const after = text(query, 'after');
  return after === '' ? {} : { after: checkedStorageKey(after, 'after') };
}

function text(query: Readonly<Record<string, unknown>>, name: string): string {
  const value = query[name] ?? '';
  if (typeof value !== 'string') throw new ProtocolError('INVALID_TYPE', `${name} may be given once only`);
  return value;
}
