import { AdminServer } from './admin/admin-server';
import {
  ConfigError,
  type Environment,
  type HearthConfig,
  loadConfig,
  outputsOf,
  type ServiceName,
} from '@hearth/config';
import { UnreadAnswers } from './http/unread-answers';
import { collectWhenIdle } from './idle-collection';
import { AddressLimits } from './limits/address-limits';
import { Backlogs } from './limits/backlogs';
import { LimitAnswers } from './limits/limit-answers';
import { createLogger, setLogLevel, type Logger } from './log/logger';
import { Metrics } from './admin/metrics';
import { watchSecrets, type SecretsWatch } from './reloadable';
import type { ServiceContext } from './service-module';

/** A started service. */
export interface RunningService {
  /** Ends it gently, within `HEARTH_DRAIN_SECONDS`: no new work, finish what is in hand, close. Called once. */
  drain(): Promise<void>;
  /** The port that is really bound, for the outputs, when `HEARTH_PORT` is 0. */
  readonly port?: number;
  /** Resolves, with why, when it cannot go on. It is drained then, and the exit code is 1. */
  readonly failed?: Promise<string>;
}

export interface ServiceDefinition {
  readonly name: ServiceName;
  /** Completes the environment before it is read, e.g. with generated keys. May throw `ConfigError`. */
  readonly environment?: (env: Environment) => Promise<Environment>;
  /**
   * Opens connections and listeners. The admin port is up already, so that a slow start can be watched. When it is
   * interrupted, it either goes on to its end or rejects with the signal's reason and leaves nothing running.
   */
  readonly start: (context: ServiceContext) => Promise<RunningService>;
}

/** The part of `process` that is needed. */
export interface ProcessHost {
  readonly env: Environment;
  readonly stderr: { write(text: string): unknown };
  on(event: string, listener: (...args: unknown[]) => void): unknown;
  exit(code: number): void;
}

/** What a drain may take beyond `HEARTH_DRAIN_SECONDS`. Orchestrators kill after 30 s by default: stay below. */
const DRAIN_GRACE_SECONDS = 5;
/** Of these, what is left for closing when clients or servers have taken all the time that there was for them. */
const CLOSING_SECONDS = 2.5;
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

/**
 * The whole life of a process; the `main` of every app. Never rejects: whatever goes wrong is printed and ends the
 * process with code 1.
 *
 * - starting → running: configuration, logger, admin port, `start`. A failure exits 1.
 * - starting or running → draining: SIGTERM, SIGINT; a service that cannot go on or an error nobody caught (then the exit
 *   code is 1).
 * - draining → ended: `drain` is done (0), its deadline is over (1), or a second signal came (130, 143).
 *
 * SIGHUP reads changed key files at once. SIGUSR1 is left alone: it belongs to the debugger of Node.
 */
export async function runService(definition: ServiceDefinition, host: ProcessHost = process): Promise<void> {
  const config = await readConfig(definition, host);
  if (config === undefined) return;
  const logger = createLogger({
    level: config.reloadable.current.logLevel,
    service: config.service,
    nodeId: config.nodeId,
    format: config.logFormat,
  });
  for (const warning of config.warnings) logger.warn(warning);
  await new Life(definition, config, logger, host).run();
}

/** The configuration; or undefined when it is wrong, which has been printed and has ended the process. */
async function readConfig(
  { name, environment }: ServiceDefinition,
  host: ProcessHost,
): Promise<HearthConfig | undefined> {
  try {
    return loadConfig(environment === undefined ? host.env : await environment(host.env), name);
  } catch (error) {
    const lines = error instanceof ConfigError ? error.problems : [(error as Error).message];
    host.stderr.write(
      `Hearth cannot start, the configuration is wrong:\n${lines.map((line) => `  ${line}\n`).join('')}`,
    );
    host.exit(1);
    return undefined;
  }
}

/** What the language itself throws: then the mistake is ours, and the stack says where. */
const OWN_MISTAKES = [TypeError, ReferenceError, RangeError, SyntaxError];

/** A failure that is told by its message, and those of its causes; where in the code it was found helps no operator. */
function forOperators(error: unknown): unknown {
  if (!(error instanceof Error) || OWN_MISTAKES.some((kind) => error instanceof kind)) return error;
  const { message, code } = error as NodeJS.ErrnoException;
  return { message, code, ...(error.cause === undefined ? {} : { cause: forOperators(error.cause) }) };
}

/** One process from its start to its end. */
class Life {
  private readonly metrics = new Metrics();
  private readonly limitAnswers: LimitAnswers;
  private readonly addresses: AddressLimits;
  private readonly backlogs: Backlogs;
  private readonly admin: AdminServer;
  private readonly secrets: SecretsWatch;
  private readonly interrupted = new AbortController();
  private readonly timeUp = new AbortController();
  private readonly collection = collectWhenIdle();
  private starting: Promise<RunningService> | undefined;
  private port: number | undefined;
  /** Set when the end begins. */
  private exitCode: number | undefined;

  constructor(
    private readonly definition: ServiceDefinition,
    private readonly config: HearthConfig,
    private readonly logger: Logger,
    private readonly host: ProcessHost,
  ) {
    this.limitAnswers = new LimitAnswers(this.metrics, logger);
    this.addresses = new AddressLimits(config, this.limitAnswers);
    this.backlogs = new Backlogs(config.limitBacklogBytes);
    this.metrics.backlogBytes.reading = () => this.backlogs.bytes;
    this.admin = new AdminServer({
      addresses: this.addresses,
      unread: new UnreadAnswers(this.backlogs, this.limitAnswers),
      host: config.adminHost,
      port: config.adminPort,
      metrics: () => this.metrics.text(),
      info: () => outputsOf(config, this.port),
      names: config.adminNames,
      token: () => config.reloadable.current.adminToken,
    });
    this.secrets = watchSecrets(config, logger, ({ logLevel }) => setLogLevel(logger, logLevel));
  }

  async run(): Promise<void> {
    this.listen();
    let started = false;
    this.admin.addCheck('started', async () => {
      if (!started) throw new Error('still starting');
    });
    try {
      await this.admin.start();
      const { config, logger, metrics, admin, limitAnswers, addresses, backlogs } = this;
      const signals = { interrupted: this.interrupted.signal, timeUp: this.timeUp.signal };
      this.starting = this.definition.start({
        ...{ config, logger, metrics, admin, limitAnswers, addresses, backlogs },
        ...signals,
      });
      const { port, failed } = await this.starting;
      this.port = port;
      started = true;
      void failed?.then((reason) => this.onFailure(reason));
      // The ports that are really bound: 0 leaves the choice to the system.
      logger.info({ outputs: outputsOf(config, port), port, adminPort: admin.port }, 'Started');
    } catch (error) {
      if (this.isInterruption(error)) return;
      this.logger.fatal({ err: forOperators(error) }, 'Start failed');
      this.host.exit(1);
    }
  }

  private listen(): void {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      this.host.on(signal, () => this.onSignal(signal));
    }
    this.host.on('SIGHUP', () => this.secrets.reload());
    this.host.on('uncaughtException', (error: unknown) => this.onCrash(error));
    this.host.on('unhandledRejection', (error: unknown) => this.onCrash(error));
  }

  private onSignal(signal: 'SIGINT' | 'SIGTERM'): void {
    if (this.exitCode !== undefined) return this.host.exit(EXIT_CODES[signal]);
    this.logger.info({ signal }, 'Draining');
    void this.end(0);
  }

  /** The state of the process is unknown by now, but clients are better told to go than cut off. */
  private onCrash(error: unknown): void {
    this.logger.fatal({ err: error }, 'An error was not handled');
    this.endWithFailure();
  }

  private onFailure(reason: string): void {
    this.logger.fatal(reason);
    this.endWithFailure();
  }

  private endWithFailure(): void {
    const isEnding = this.exitCode !== undefined;
    this.exitCode = 1;
    if (!isEnding) void this.end(1);
  }

  /** The service, once it has started; undefined when its start was not begun or gave up because it was told to. */
  private async started(): Promise<RunningService | undefined> {
    try {
      return await this.starting;
    } catch (error) {
      if (this.isInterruption(error)) return undefined;
      throw error;
    }
  }

  private isInterruption(error: unknown): boolean {
    return this.interrupted.signal.aborted && error === this.interrupted.signal.reason;
  }

  private async end(code: number): Promise<void> {
    this.exitCode = code;
    const deadlineMs = (this.config.drainSeconds + DRAIN_GRACE_SECONDS) * 1_000;
    const timeUp = setTimeout(() => this.timeUp.abort(), deadlineMs - CLOSING_SECONDS * 1_000);
    const deadline = setTimeout(() => {
      this.logger.error('Draining took too long, giving up');
      this.host.exit(1);
    }, deadlineMs);
    try {
      this.admin.drain();
      this.secrets.stop();
      void this.collection.stop();
      // A service that is still starting is let finish first, or give up what it waits for: half-open connections cannot
      // be closed properly.
      this.interrupted.abort();
      await (await this.started())?.drain();
      await this.admin.stop();
      this.logger.info('Stopped');
      this.host.exit(this.exitCode);
    } catch (error) {
      this.logger.fatal({ err: error }, 'Draining failed');
      this.host.exit(1);
    } finally {
      clearTimeout(timeUp);
      clearTimeout(deadline);
    }
  }
}
