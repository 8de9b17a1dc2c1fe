import { Inject, Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { Database, readClock } from '@hearth/store';
import { ClockOffset, every, installationNow, setInstallationClock, type Repeated } from '@hearth/timing';
import { Metrics } from './admin/metrics';
import type { HearthConfig } from '@hearth/config';
import type { Logger } from './log/logger';
import { warnSeldom } from './log/warn-seldom';
import { CONFIG, LOGGER } from './service-module';

const MEASURE_MS = 10_000;
/** Readings at the start, of which the quickest counts: a process that starts is busy, and the first one opens a connection. */
const FIRST_READINGS = 5;

/**
 * Keeps the installation's clock (`installationNow`): the database's, which all nodes share. How far the clock of this machine
 * is from it is told to operators, and decides nothing.
 */
@Injectable()
export class ClockWatch implements OnModuleInit, OnApplicationShutdown {
  private readonly offset = new ClockOffset();
  /** When the database's clock was read last (`performance.now()`); not since it is away. */
  private measuredAt = -Infinity;
  private readonly measurements: Repeated;

  constructor(
    private readonly database: Database,
    metrics: Metrics,
    @Inject(CONFIG) private readonly config: Pick<HearthConfig, 'clockToleranceMs'>,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    metrics.clockAheadSeconds.reading = () => (this.isKnown ? this.aheadMs / 1_000 : undefined);
    this.measurements = every(
      MEASURE_MS,
      () => this.measure(),
      // Readiness says that Postgres is away.
      () => (this.measuredAt = -Infinity),
    );
  }

  async onModuleInit(): Promise<void> {
    try {
      for (let n = 0; n < FIRST_READINGS; n++) await this.measure();
    } catch {
      // Readiness says that Postgres is away.
    }
  }

  async onApplicationShutdown(): Promise<void> {
    await this.measurements.stop();
  }

  /** A clock that was set since then is not known to be right. */
  private get isKnown(): boolean {
    return performance.now() - this.measuredAt < 2 * MEASURE_MS;
  }

  private get aheadMs(): number {
    return Math.round(Date.now() - installationNow());
  }

  private async measure(): Promise<void> {
    const askedAt = performance.now();
    const databaseMs = await readClock(this.database.db);
    this.offset.add(askedAt, databaseMs, performance.now());
    const { ms } = this.offset;
    if (ms === undefined) return;
    setInstallationClock(ms);
    this.measuredAt = performance.now();
    const { aheadMs } = this;
    if (Math.abs(aheadMs) <= this.config.clockToleranceMs) return;
    const which = aheadMs > 0 ? 'ahead of' : 'behind';
    const what = `the clock of this machine is ${which} the database's by more than HEARTH_CLOCK_TOLERANCE_MS`;
    warnSeldom(this.logger, { aheadMs }, what);
  }
}
