import type { Logger } from './logger';
import type { Metrics } from '../admin/metrics';

/** Where operators learn what becomes of backend events. */
export interface EventReport {
  readonly log: Pick<Logger, 'info' | 'warn'>;
  /** So many were dropped, because their stream takes none. */
  readonly dropped: (events: number) => void;
  /** So many more, or fewer, wait for their stream. */
  readonly waiting: (change: number) => void;
}

export function eventReport(metrics: Metrics, logger: Logger): EventReport {
  return {
    log: logger,
    dropped: (events) => {
      metrics.eventsDropped.inc(events);
      logger.error({ events }, 'backend events were dropped: their stream takes none');
    },
    waiting: (change) => metrics.eventsWaiting.add(change),
  };
}
