import { Inject, Injectable, Module, OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import {
  CONFIG,
  eventReport,
  HearthConfig,
  LiveSettings,
  Logger,
  LOGGER,
  Metrics,
  required,
  VERSION,
} from '@hearth/runtime';
import { AckedPublisher, EventPublisher, IngestPublisher, StreamConnection } from '@hearth/stream';
import { Database, ensureEventIndex } from '@hearth/store';
import { EndNotes } from './end-notes';
import { GatewayReaper } from './gateway-reaper';
import { GroupCommit } from './group-commit';
import { PartitionOwnership } from './partition-ownership';
import { RowExpiry } from './row-expiry';
import type { SequencerParts } from './sequencer-parts';
import { StorageExpiry } from './storage-expiry';

/** What surrounds the lists in what tells of a join. */
const JOIN_BYTES = 65_536;

/** Order → id → dedup → log → fan-out, and the expiry job. */
@Injectable()
export class Sequencer implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly publisher: AckedPublisher;
  private readonly events: EventPublisher;
  private readonly ownership: PartitionOwnership;
  private readonly storageExpiry: StorageExpiry;
  private readonly reaper: GatewayReaper;
  private readonly endNotes: EndNotes;
  private readonly rowExpiry: RowExpiry;
  private preparation: NodeJS.Timeout | undefined;

  constructor(
    @Inject(CONFIG) private readonly config: HearthConfig,
    @Inject(LOGGER) private readonly logger: Logger,
    database: Database,
    stream: StreamConnection,
    ingest: IngestPublisher,
    private readonly live: LiveSettings,
    metrics: Metrics,
  ) {
    this.publisher = new AckedPublisher(stream);
    this.events = new EventPublisher(stream, config, VERSION, eventReport(metrics, logger));
    const deduplication = { windowMs: config.deduplicationSeconds * 1_000, scope: config.deduplicationScope };
    this.rowExpiry = new RowExpiry(database, logger, metrics);
    this.endNotes = new EndNotes(stream, database, config, logger);
    const parts: SequencerParts = {
      processId: config.processId,
      clockToleranceMs: config.clockToleranceMs,
      stream,
      streamSettings: config,
      publisher: this.publisher,
      events: this.events,
      ingest,
      channelRules: { presenceMaxBytes: Math.min(config.presenceMaxBytes, largestMemberList(stream.maxPayload)) },
      database,
      endNotes: this.endNotes,
      groupCommit: new GroupCommit(database, deduplication, metrics),
      live,
      metrics,
      logger,
    };
    this.ownership = new PartitionOwnership(parts, config.partitions);
    this.reaper = new GatewayReaper(parts, () => this.ownership.owned);
    this.storageExpiry = new StorageExpiry({
      database,
      ingest,
      logger,
      ownedPartitions: () => this.ownership.owned,
    });
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.ownership.start();
    this.storageExpiry.start();
    this.reaper.start();
    this.endNotes.start();
    await this.prepare();
  }

  /** Runs after the doors are closed, so that what they accepted last is still processed. */
  async onApplicationShutdown(): Promise<void> {
    clearTimeout(this.preparation);
    this.rowExpiry.stop();
    this.storageExpiry.stop();
    await this.reaper.stop();
    this.endNotes.stop();
    await this.ownership.stop();
    await this.events.settle();
    this.publisher.close();
    this.events.close();
  }

  /** What the message path does not wait for; tried again until Postgres and NATS let it happen. */
  private async prepare(): Promise<void> {
    try {
      if (this.live.current.eventsEnabled) await this.events.ensureStream();
      await ensureEventIndex(required(this.config, 'databaseUrl'), this.config.messageEventIndex);
      await this.rowExpiry.start(this.config.expirySeconds * 1_000);
    } catch (error) {
      this.logger.warn({ err: error }, 'preparation failed, trying again');
      this.preparation = setTimeout(() => void this.prepare(), 2_000);
    }
  }
}

/** What tells of a join has the list twice, for who joins and for the others, and must be one message. */
function largestMemberList(maxPayload: number): number {
  return Math.floor((maxPayload - JOIN_BYTES) / 2);
}

@Module({ providers: [Sequencer] })
export class SequencerModule {}
