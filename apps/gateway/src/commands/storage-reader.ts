import { STORAGE_PAGE_BYTES } from '@hearth/protocol';
import { Database, PlacedStoragePage, readStorageEntry, snapshotStorageEntries, StorageEntry } from '@hearth/store';
import { HearthConfig } from '@hearth/config';
import { CONFIG } from '@hearth/runtime';
import { IngestPublisher } from '@hearth/stream';
import { Inject, Injectable } from '@nestjs/common';
import { Barriers } from '../attendance/barriers';
import { SharedRuns } from '../channel/shared-runs';

/** Entries of one page of a snapshot: what a channel normally has fits in one. */
const PAGE_ENTRIES = 1_000;

/** Storage entries of channels. A read sees every write that was accepted before it was asked for. */
@Injectable()
export class StorageReader {
  private readonly firstPages = new SharedRuns<PlacedStoragePage>();
  private readonly pageBytes: number;

  constructor(
    private readonly ingest: IngestPublisher,
    private readonly barriers: Barriers,
    private readonly database: Database,
    @Inject(CONFIG) config: Pick<HearthConfig, 'wsMaxBacklogBytes'>,
  ) {
    this.pageBytes = Math.min(STORAGE_PAGE_BYTES, config.wsMaxBacklogBytes / 4);
  }

  /**
   * Resolves once every write to the channel that has been accepted can be read from Postgres.
   *
   * @throws OutageError
   */
  settle(channel: string): Promise<void> {
    return this.barriers.pass(this.ingest.partitionOf(channel));
  }

  /**
   * One entry; `undefined` when there is none.
   *
   * @throws OutageError
   */
  async entry(channel: string, key: string): Promise<StorageEntry | undefined> {
    await this.settle(channel);
    return readStorageEntry(this.database.db, channel, key);
  }

  /** The first entries of a channel, as of a place behind everything that was accepted before. */
  firstPage(channel: string): Promise<PlacedStoragePage> {
    return this.firstPages.run(channel, async () => {
      await this.settle(channel);
      return this.page(channel, undefined);
    });
  }

  /** Those behind a key; as of a later place than the page before. */
  nextPage(channel: string, after: string): Promise<PlacedStoragePage> {
    return this.page(channel, after);
  }

  private page(channel: string, after: string | undefined): Promise<PlacedStoragePage> {
    const request = { channel, after, limit: PAGE_ENTRIES, maxBytes: this.pageBytes };
    const partition = this.ingest.partitionOf(channel);
    return this.database.readFor(channel, (db) => snapshotStorageEntries(db, partition, request), Infinity);
  }
}
