import { STORAGE_PAGE_BYTES } from '@hearth/protocol';
import { Database, Db, PlacedStoragePage, readStorageEntry, snapshotStorageEntries, StorageEntry } from '@hearth/store';
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

  /**
   * A page of a channel's entries.
   *
   * @param after a key: those behind it, as of a later place than the page before; else the first, as of a place behind
   *   everything that was accepted before
   * @param isWanted whether somebody still waits for it
   */
  page(channel: string, after: string | undefined, isWanted: () => boolean): Promise<PlacedStoragePage> {
    if (after !== undefined) return this.read(channel, after, isWanted);
    const readFirst = async (isWantedByAny: () => boolean): Promise<PlacedStoragePage> => {
      await this.settle(channel);
      return this.read(channel, undefined, isWantedByAny);
    };
    return this.firstPages.run(channel, readFirst, isWanted);
  }

  private read(channel: string, after: string | undefined, isWanted: () => boolean): Promise<PlacedStoragePage> {
    const request = { channel, after, limit: PAGE_ENTRIES, maxBytes: this.pageBytes };
    const partition = this.ingest.partitionOf(channel);
    const read = (db: Db) => snapshotStorageEntries(db, partition, request);
    return this.database.readFor(channel, read, { patienceMs: Infinity, isWanted });
  }
}
