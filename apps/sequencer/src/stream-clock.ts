import { HearthConfig } from '@hearth/config';
import { CONFIG, Logger, LOGGER, Metrics, warnSeldom } from '@hearth/runtime';
import { LeastRecent } from '@hearth/timing';
import { Inject, Injectable } from '@nestjs/common';

/** A minute at most: the metric is true, or absent. */
const SPAN_MS = 30_000;

/** How far the clock of the nats-server is ahead of the installation's, by the messages of the ingest streams. */
@Injectable()
export class StreamClock {
  private readonly ahead = new LeastRecent(SPAN_MS);

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
    this.ahead.add(aheadMs, performance.now());
    if (Math.abs(aheadMs) <= this.config.clockToleranceMs) return;
    const which = aheadMs > 0 ? 'ahead of' : 'behind';
    const what = `the clock of NATS is ${which} the database's by more than HEARTH_CLOCK_TOLERANCE_MS: the database's counts`;
    warnSeldom(this.logger, { aheadMs }, what);
  }
}
