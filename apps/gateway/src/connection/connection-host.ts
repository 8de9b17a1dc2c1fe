import { HearthConfig } from '@hearth/config';
import { Audit, CONFIG, Logger, LOGGER, Metrics } from '@hearth/runtime';
import { Inject, Injectable } from '@nestjs/common';
import { Attendance } from '../attendance/attendance';
import { Joining } from '../commands/joining';
import { Requests } from '../commands/client-requests';
import { Limits } from '../limits/connection-limits';
import { WorkTurns } from '../limits/work-turns';
import { EndedConnections } from '../management/ended-connections';
import { Resume } from '../resume/resume';
import type { ConnectionTimes } from './connection-clock';
import { ConnectionEvents } from './connection-events';
import { ConnectionRegistry } from './connection-registry';

/** A keep-alive must come before the idle limit, also where that is configured lower (websocket-protocol §2). */
const KEEP_ALIVE_SHARE_OF_IDLE = 0.95;

/** The gateway as its connections see it. There may be a hundred thousand of them: each keeps this one reference. */
@Injectable()
export class ConnectionHost {
  readonly times: ConnectionTimes;
  readonly maxBacklogBytes: number;

  constructor(
    readonly registry: ConnectionRegistry,
    readonly ended: EndedConnections,
    readonly joining: Joining,
    readonly requests: Requests,
    readonly events: ConnectionEvents,
    readonly attendance: Attendance,
    readonly resume: Resume,
    readonly limits: Limits,
    readonly audit: Audit,
    readonly workTurns: WorkTurns,
    readonly metrics: Metrics,
    @Inject(LOGGER) readonly logger: Logger,
    @Inject(CONFIG) config: HearthConfig,
  ) {
    this.times = timesOf(config);
    this.maxBacklogBytes = config.wsMaxBacklogBytes;
  }
}

function timesOf(config: HearthConfig): ConnectionTimes {
  const idleMs = config.connectionIdleSeconds * 1_000;
  const keepAliveMs = config.keepAliveSeconds * 1_000;
  return {
    lifetimeMs: config.connectionMaxSeconds * 1_000,
    idleMs,
    keepAliveMs: keepAliveMs < idleMs ? keepAliveMs : idleMs * KEEP_ALIVE_SHARE_OF_IDLE,
    leewayMs: config.tokenLeewaySeconds * 1_000,
    closeAtExp: config.closeAtExp,
    pingMs: config.wsPingSeconds === 0 ? Infinity : config.wsPingSeconds * 1_000,
  };
}
