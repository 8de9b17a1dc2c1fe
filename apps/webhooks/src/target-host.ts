import { HearthConfig, ReloadableSettings } from '@hearth/config';
import { CONFIG, Logger, LOGGER, Metrics } from '@hearth/runtime';
import { Database, type RefusedRow } from '@hearth/store';
import { StreamConnection } from '@hearth/stream';
import { Inject, Injectable } from '@nestjs/common';

/** What the workers of all targets share. */
@Injectable()
export class TargetHost {
  constructor(
    readonly stream: StreamConnection,
    readonly database: Database,
    readonly reloadable: ReloadableSettings,
    readonly metrics: Metrics,
    @Inject(CONFIG) readonly config: HearthConfig,
    @Inject(LOGGER) readonly logger: Logger,
  ) {}

  /** What Postgres refuses for what it is is left out: everything behind it would wait for ever. */
  tellRefused(target: string, refused: readonly RefusedRow[]): void {
    for (const { table, row, error: err } of refused) {
      this.metrics.refusedByDatabase.of(table).inc();
      const { eventId, id, type, channel } = row as Partial<Record<'eventId' | 'id' | 'type' | 'channel', string>>;
      const about = { target, table, eventId: eventId ?? id, type, channel, err };
      this.logger.error(about, 'Postgres refuses a change, which is left out');
    }
  }
}
