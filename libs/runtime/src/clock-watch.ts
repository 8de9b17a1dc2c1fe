import { Inject, Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { OutageError } from '@hearth/protocol';
import { Database, readClock } from '@hearth/store';
import { every, type Repeated } from '@hearth/timing';
import { Metrics } from './admin/metrics';
import type { HearthConfig } from './config/config';
import type { Logger } from './log/logger';
import { CONFIG, LOGGER } from './service-module';

const MEASURE_MS = 10_000;
/** A warning that is repeated less often than this is not missed. */
const WARN_MS = 60_000;

/** How far this machine's clock is from the database's, which all nodes share. */
@Injectable()
export class ClockWatch implements OnModuleInit, OnApplicationShutdown {
  /** Ms that this clock is ahead; negative when it is behind. */
  private aheadMs = 0;
  private warnedAt = 0;
  private readonly measurements: Repeated;

  constructor(
    private readonly database: Database,
    private readonly metrics: Metrics,
    @Inject(CONFIG) private readonly config: Pick<HearthConfig, 'clockToleranceMs'>,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.measurements = every(
      MEASURE_MS,
      () => this.measure(),
      // Readiness says that Postgres is away; the clock has not changed by that.
      () => undefined,
    );
  }

  async onModuleInit(): Promise<void> {
    await this.measure().catch(() => undefined);
  }

  async onApplicationShutdown(): Promise<void> {
    await this.measurements.stop();
  }

  /**
   * Before this clock is used for what others will compare with theirs.
   *
   * @throws OutageError when it is further ahead than `HEARTH_CLOCK_TOLERANCE_MS`
   */
  check(): void {
    if (this.aheadMs <= this.config.clockToleranceMs) return;
    throw new OutageError(`the clock of this server is ${Math.round(this.aheadMs / 1_000)} s ahead`);
  }

  private async measure(): Promise<void> {
    const askedAt = Date.now();
    const databaseMs = await readClock(this.database.db);
    this.aheadMs = Math.round((askedAt + Date.now()) / 2) - databaseMs;
    this.metrics.clockAheadSeconds.set(this.aheadMs / 1_000);
    if (Math.abs(this.aheadMs) <= this.config.clockToleranceMs || Date.now() - this.warnedAt < WARN_MS) return;
    this.warnedAt = Date.now();
    const which = this.aheadMs > 0 ? 'ahead of' : 'behind';
    this.logger.warn(
      { aheadMs: this.aheadMs },
      `the clock of this machine is ${which} the database's by more than HEARTH_CLOCK_TOLERANCE_MS`,
    );
  }
}
