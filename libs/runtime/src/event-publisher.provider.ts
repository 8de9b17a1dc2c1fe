import { EventPublisher, StreamConnection } from '@hearth/stream';
import type { FactoryProvider } from '@nestjs/common';
import { Metrics } from './admin/metrics';
import { type HearthConfig, VERSION } from '@hearth/config';
import type { Logger } from './log/logger';
import { CONFIG, LOGGER } from './service-module';

/** The publisher of backend events of a module, which closes it: what publishes last differs from one to the other. */
export const eventPublisher: FactoryProvider<EventPublisher> = {
  provide: EventPublisher,
  useFactory: (stream: StreamConnection, config: HearthConfig, metrics: Metrics, logger: Logger) => {
    metrics.eventsWaiting.add(0);
    return new EventPublisher(stream, config, VERSION, {
      log: logger,
      dropped: (events) => reportDroppedEvents(events, metrics, logger),
      waiting: (change) => metrics.eventsWaiting.add(change),
    });
  },
  inject: [StreamConnection, CONFIG, Metrics, LOGGER],
};

/** Tells operators that so many backend events are lost. */
export function reportDroppedEvents(events: number, metrics: Metrics, logger: Logger): void {
  metrics.eventsDropped.inc(events);
  logger.error({ events }, 'backend events were dropped: their stream takes none');
}
