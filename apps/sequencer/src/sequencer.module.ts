import { Inject, Module, OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { HearthConfig, ReloadableSettings, required } from '@hearth/config';
import { CONFIG, eventPublisher, Logger, LOGGER, TIME_UP } from '@hearth/runtime';
import { AckedPublisher, EventPublisher, StreamConnection } from '@hearth/stream';
import { ensureEventIndex } from '@hearth/store';
import { untilAborted } from '@hearth/timing';
import { EndNotes } from './end-notes';
import { GatewayReaper } from './gateway-reaper';
import { GroupCommit } from './group-commit';
import { PartitionHost } from './partition-host';
import { PartitionOwnership } from './partition-ownership';
import { RowExpiry } from './row-expiry';
import { StreamClock } from './stream-clock';
import { StorageExpiry } from './storage-expiry';

/** What others finish or take over by themselves is given so long when there is no time left. */
const CLOSE_MS = 500;

/** Order → id → dedup → log → fan-out, and the expiry job. */
@Module({
  providers: [
    eventPublisher,
    {
      provide: AckedPublisher,
      useFactory: (stream: StreamConnection) => new AckedPublisher(stream),
      inject: [StreamConnection],
    },
    EndNotes,
    GatewayReaper,
    GroupCommit,
    PartitionHost,
    PartitionOwnership,
    RowExpiry,
    StorageExpiry,
    StreamClock,
  ],
})
export class SequencerModule implements OnApplicationBootstrap, OnApplicationShutdown {
  private preparation: NodeJS.Timeout | undefined;

  constructor(
    private readonly ownership: PartitionOwnership,
    private readonly storageExpiry: StorageExpiry,
    private readonly reaper: GatewayReaper,
    private readonly endNotes: EndNotes,
    private readonly rowExpiry: RowExpiry,
    private readonly publisher: AckedPublisher,
    private readonly events: EventPublisher,
    private readonly reloadable: ReloadableSettings,
    @Inject(CONFIG) private readonly config: HearthConfig,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(TIME_UP) private readonly timeUp: AbortSignal,
  ) {}

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
    await untilAborted(this.timeUp, this.reaper.stop(), CLOSE_MS);
    this.endNotes.stop();
    await untilAborted(this.timeUp, this.ownership.stop(), CLOSE_MS);
    await untilAborted(this.timeUp, this.events.settle());
    this.publisher.close();
    this.events.close();
  }

  /** What the message path does not wait for; tried again until Postgres and NATS let it happen. */
  private async prepare(): Promise<void> {
    try {
      if (this.reloadable.current.eventsEnabled) await this.events.ensureStream();
      await ensureEventIndex(required(this.config, 'databaseUrl'), this.config.messageEventIndex);
      await this.rowExpiry.start(this.config.expirySeconds * 1_000);
    } catch (error) {
      this.logger.warn({ err: error }, 'preparation failed, trying again');
      this.preparation = setTimeout(() => void this.prepare(), 2_000);
    }
  }
}
