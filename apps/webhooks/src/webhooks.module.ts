import { Inject, Module, OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { HearthConfig } from '@hearth/config';
import { AdminServer, AuditModule, CONFIG, Logger, LOGGER, TIME_UP } from '@hearth/runtime';
import { Database, dropUnusedTargets, expireDeadLetters } from '@hearth/store';
import { every, Repeated, untilAborted, installationNow } from '@hearth/timing';
import { encodeTime } from 'ulid';
import { addDeadLetterRoutes } from './dead-letter.routes';
import { TargetHost } from './target-host';
import { TargetOwnership } from './target-ownership';

/** At shutdown. An attempt that is broken off is made again by the next process, so there is no need to wait longer. */
const PATIENCE_MS = 2_000;
/** When there is no time left; what is not given back then is taken over when its lease has run out. */
const CLOSE_MS = 500;
const CLEAN_EVERY_MS = 600_000;
/** Dead letters, and what waits for a URL that is no longer configured. */
const KEEP_DAYS = 30;
const DAY_MS = 86_400_000;
/** A receiver that is gone for good must not fill the disk. */
const MAX_DEAD_LETTERS = 100_000;
const EXPIRE_AT_ONCE = 10_000;

/** Sends the backend events to the configured URLs, and keeps those that could not be delivered. */
@Module({ imports: [AuditModule], providers: [TargetHost, TargetOwnership] })
export class WebhooksModule implements OnApplicationBootstrap, OnApplicationShutdown {
  private cleaning: Repeated | undefined;

  constructor(
    private readonly ownership: TargetOwnership,
    private readonly database: Database,
    private readonly admin: AdminServer,
    @Inject(CONFIG) private readonly config: HearthConfig,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(TIME_UP) private readonly timeUp: AbortSignal,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    addDeadLetterRoutes(this.admin, this.database);
    this.logger.info({ targets: this.ownership.targets }, 'webhook targets');
    await this.ownership.start();
    await this.clean();
    this.cleaning = every(CLEAN_EVERY_MS, () => this.clean());
  }

  async onApplicationShutdown(): Promise<void> {
    void this.cleaning?.stop();
    const patienceMs = this.timeUp.aborted ? 0 : Math.min(this.config.drainSeconds * 1_000, PATIENCE_MS);
    await untilAborted(this.timeUp, this.ownership.stop(patienceMs), CLOSE_MS);
  }

  private async clean(): Promise<void> {
    const { db } = this.database;
    try {
      // The smallest ULID of that time.
      const beforeId = encodeTime(installationNow() - KEEP_DAYS * DAY_MS).padEnd(26, '0');
      const tooMany = await expireDeadLetters(db, { beforeId, most: MAX_DEAD_LETTERS, batch: EXPIRE_AT_ONCE });
      if (tooMany > 0) this.logger.error({ tooMany }, 'the oldest dead letters were deleted: there are too many');
      await dropUnusedTargets(db, KEEP_DAYS, this.ownership.targets);
    } catch (error) {
      this.logger.warn({ err: error }, 'old dead letters could not be deleted, next try on schedule');
    }
  }
}
