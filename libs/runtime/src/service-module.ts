import { Global, Module, type DynamicModule } from '@nestjs/common';
import { AdminServer } from './admin/admin-server';
import { ApiKeys } from './http/api-keys';
import { type HearthConfig, ReloadableSettings } from '@hearth/config';
import type { Logger } from './log/logger';
import { Metrics } from './admin/metrics';
import { Tracing } from './log/tracing';
import { AddressLimits } from './limits/address-limits';
import { Backlogs } from './limits/backlogs';
import { LimitAnswers } from './limits/limit-answers';

/** Injection tokens of what has no class: `@Inject(CONFIG) config: HearthConfig`, `@Inject(LOGGER) logger: Logger`. */
export const CONFIG = Symbol('HearthConfig');
export const LOGGER = Symbol('Logger');
/** `interrupted` and `timeUp` of the context. */
export const INTERRUPTED = Symbol('AbortSignal: interrupted');
export const TIME_UP = Symbol('AbortSignal: time up');

/** What every process has before its Nest application exists. */
export interface ServiceContext {
  readonly config: HearthConfig;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly admin: AdminServer;
  readonly limitAnswers: LimitAnswers;
  /** What waits for clients of the process, WebSockets and HTTP together. */
  readonly backlogs: Backlogs;
  /** One for all ports of the process. */
  readonly addresses: AddressLimits;
  /** Aborted when the process is told to end; a start that waits for something may reject with its reason. */
  readonly interrupted: AbortSignal;
  /** Aborted when a drain has taken its time: nobody waits for clients or servers any more, everything closes. */
  readonly timeUp: AbortSignal;
}

/** Gives every provider of a process its configuration, logger, metrics, admin port, reloadable settings, API keys and tracing. */
@Global()
@Module({})
export class ServiceModule {
  static of(context: ServiceContext): DynamicModule {
    const providers = [
      { provide: CONFIG, useValue: context.config },
      { provide: LOGGER, useValue: context.logger },
      { provide: INTERRUPTED, useValue: context.interrupted },
      { provide: TIME_UP, useValue: context.timeUp },
      { provide: Metrics, useValue: context.metrics },
      { provide: AdminServer, useValue: context.admin },
      { provide: ReloadableSettings, useValue: context.config.reloadable },
      { provide: ApiKeys, useValue: new ApiKeys(context.config.reloadable) },
      { provide: LimitAnswers, useValue: context.limitAnswers },
      { provide: Backlogs, useValue: context.backlogs },
      { provide: AddressLimits, useValue: context.addresses },
      { provide: Tracing, useValue: new Tracing(context.config.reloadable, context.logger) },
    ];
    return { module: ServiceModule, providers, exports: providers.map(({ provide }) => provide) };
  }
}
