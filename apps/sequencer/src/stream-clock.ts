import { HearthConfig } from '@hearth/config';
import { CONFIG, Logger, LOGGER, Metrics } from '@hearth/runtime';
import { LeastRecent } from '@hearth/timing';
import { Inject, Injectable } from '@nestjs/common';

/** A minute at most: the metric is true, or absent. */
const SPAN_MS = 30_000;
/** A warning that is repeated less often than this is not missed. */
const WARN_MS = 60_000;

/** How far the clock of the nats-server is ahead of the installation's, by the messages of the ingest streams. */
@Injectable()
export class StreamClock {
  private readonly ahead = new LeastRecent(SPAN_MS);
  private warnedAt = -Infinity;

  constructor(
    metrics: Metrics,
    @Inject(CONFIG) private readonly config: Pick<HearthConfig, 'clockToleranceMs'>,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    metrics.natsClockAheadSeconds.reading = () => {
      const aheadMs = this.ahead.value(performance.now());
      return aheadMs === undefined ? undefined : aheadMs / 1_000;
    };
  }

  /** @param aheadMs of one message, what it was on its way included */
  note(aheadMs: number): void {
    const now = performance.now();
    this.ahead.add(aheadMs, now);
    if (Math.abs(aheadMs) <= this.config.clockToleranceMs || now - this.warnedAt < WARN_MS) return;
    this.warnedAt = now;
    const which = aheadMs > 0 ? 'ahead of' : 'behind';
    const what = `the clock of NATS is ${which} the database's by more than HEARTH_CLOCK_TOLERANCE_MS: the database's counts`;
    this.logger.warn({ aheadMs }, what);
  }
}
