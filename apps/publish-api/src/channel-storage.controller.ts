import {
  channelNameProblem,
  checkedStorageKey,
  checkedStorageKeys,
  ProtocolError,
  storageItem,
} from '@hearth/protocol';
import { ApiKeys, Logger, LOGGER } from '@hearth/service';
import { Database, listStorageEntries, StoragePage, StoragePageRequest } from '@hearth/store';
import { IngestPublisher, StreamUnavailableError } from '@hearth/stream';
import { Controller, Get, Inject, Param, Query, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { requireApiKey } from './api-key';
import { DATABASE, INGEST } from './publisher';

/** Storage entries for backends (publish-api §11). */
@Controller('channels')
export class ChannelStorageController {
  constructor(
    private readonly keys: ApiKeys,
    @Inject(INGEST) private readonly ingest: IngestPublisher,
    @Inject(DATABASE) private readonly database: Database,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** A page of a channel's entries, sorted by key, or those of the given keys that exist. */
  @Get(':name/storage')
  async list(
    @Param('name') channel: string,
    @Query() query: Readonly<Record<string, unknown>>,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<string> {
    requireApiKey(request.raw.headers, this.keys);
    const problem = channelNameProblem(channel);
    if (problem !== undefined) throw new ProtocolError('INVALID_CHANNEL', problem);
    const { entries } = await this.read({ channel, ...pageOf(query) });
    void reply.header('content-type', 'application/json');
    return `{"items":[${entries.map(storageItem).join(',')}]}`;
  }

  /** Reads once everything that was accepted for the channel before can be read. */
  private async read(page: StoragePageRequest): Promise<StoragePage> {
    try {
      await this.ingest.barrier(page.channel);
      return await listStorageEntries(this.database.db, page);
    } catch (error) {
      if (!(error instanceof StreamUnavailableError)) this.logger.error({ err: error }, 'storage could not be read');
      throw new ProtocolError('SERVICE_UNAVAILABLE', 'storage cannot be read at the moment, try again', {
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
  return after === '' ? {} : { after: checkedStorageKey(after) };
}

function text(query: Readonly<Record<string, unknown>>, name: string): string {
  const value = query[name] ?? '';
  if (typeof value !== 'string') throw new ProtocolError('INVALID_TYPE', `${name} may be given once only`);
  return value;
}
