import { Logger, LOGGER } from '@hearth/runtime';
import { Database, endedStorageEntries } from '@hearth/store';
import { IngestPublisher } from '@hearth/stream';
import { every, Repeated } from '@hearth/timing';
import { Inject, Injectable } from '@nestjs/common';
import { PartitionOwnership } from './partition-ownership';

/** Readers do not see an entry that has ended; this is how long its event may be late. */
const LOOK_EVERY_MS = 2_000;
/** Entries of one partition in one round: some ten ms of its time. */
const ENTRIES_AT_ONCE = 200;
/** Rounds without a pause; the stream's clock, which decides, may be behind the database's. */
const ROUNDS = 20;

/**
 * Finds storage entries whose time has passed, and asks for their removal in the order of their channels
 * (channels-presence-storage §5.2). Whether they still are what they were is decided there; so two that ask for the same
 * do no harm.
 */
@Injectable()
export class StorageExpiry {
  private looks: Repeated | undefined;

  constructor(
    private readonly database: Database,
    private readonly ingest: IngestPublisher,
    private readonly ownership: PartitionOwnership,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  start(): void {
    this.looks = every(
      LOOK_EVERY_MS,
      () => this.look(),
      (error) => this.logger.warn({ err: error }, 'storage entries that have ended stay a little longer'),
    );
  }

  stop(): void {
    void this.looks?.stop();
  }

  /** One at a time: while the round before waits to be applied, the database still has its entries. */
  private async look(): Promise<void> {
    for (let round = 0; round < ROUNDS && (await this.endSome()); round++);
  }

  /** @returns whether there may be more */
  private async endSome(): Promise<boolean> {
    const { owned: partitions } = this.ownership;
    if (partitions.length === 0) return false;
    const ended = await endedStorageEntries(this.database.db, partitions, ENTRIES_AT_ONCE);
    await Promise.all(ended.map((entry) => this.ingest.perform({ kind: 'storageExpiry', ...entry })));
    return ended.length >= ENTRIES_AT_ONCE;
  }
}
