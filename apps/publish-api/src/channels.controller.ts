import { checkedChannel, checkedStorageKey, checkedStorageKeys, ProtocolError, storageItem } from '@hearth/protocol';
import { Database, listStorageEntries, readChannelInfo, StoragePageRequest } from '@hearth/store';
import { IngestPublisher } from '@hearth/stream';
import { isAwaited } from '@hearth/runtime';
import { Controller, Get, Param, Query, Req, UseGuards } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { ReaderGuard } from './callers';

/** What backends may ask about channels (publish-api §11). Names are real names; aliases do not exist here. */
@Controller('channels')
@UseGuards(ReaderGuard)
export class ChannelsController {
  constructor(
    private readonly ingest: IngestPublisher,
    private readonly database: Database,
  ) {}

  /** How many subscriptions a channel has, and who is in a presence channel; nobody, for one that nobody uses. */
  @Get(':name')
  async info(@Param('name') name: string, @Req() request: FastifyRequest): Promise<string> {
    checkedChannel(name);
    await this.ingest.perform({ kind: 'barrier', channel: name });
    const { subscriptionsCount, membersJson } = await this.database.readFor(name, (db) => readChannelInfo(db, name), {
      isWanted: isAwaited(request),
    });
    const members = membersJson === undefined ? '' : `,"members":${membersJson}`;
    return `{"name":${JSON.stringify(name)},"subscriptionsCount":${subscriptionsCount}${members}}`;
  }

  /** A page of a channel's storage entries, sorted by key, or those of the given keys that exist. */
  @Get(':name/storage')
  async storage(
    @Param('name') name: string,
    @Query() query: Readonly<Record<string, unknown>>,
    @Req() request: FastifyRequest,
  ): Promise<string> {
    checkedChannel(name);
    const page = { channel: name, ...pageOf(query) };
    await this.ingest.perform({ kind: 'barrier', channel: name });
    const { entries } = await this.database.readFor(name, (db) => listStorageEntries(db, page), {
      isWanted: isAwaited(request),
    });
    return `{"items":[${entries.map(storageItem).join(',')}]}`;
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
