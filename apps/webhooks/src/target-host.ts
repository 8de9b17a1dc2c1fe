import { HearthConfig, ReloadableSettings } from '@hearth/config';
import { CONFIG, Logger, LOGGER, Metrics } from '@hearth/runtime';
import { Database } from '@hearth/store';
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
}
