import type { LoggerService } from '@nestjs/common';
import { destination, pino, stdTimeFunctions, type DestinationStream, type Logger as PinoLogger } from 'pino';
import { terminalLines } from './terminal-lines';
import { redact, redactText } from './redaction';

/**
 * `logger.info({ channel }, 'sentence')`. No child loggers: pino redacts nothing they are bound to, and they keep the
 * level of their birth when it is changed.
 */
export type Logger = Pick<PinoLogger, 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'level'>;
export type LogLevel = 'DEBUG' | 'INFO' | 'WARN' | 'ERROR';
/** `auto`: text for people on a terminal, JSON for whatever else reads. */
export type LogFormat = 'auto' | 'json' | 'text';

export interface LoggerOptions {
  readonly level: LogLevel;
  /** Written into every line. */
  readonly service: string;
  readonly nodeId?: string;
  /** `json` unless given. */
  readonly format?: LogFormat;
}

/**
 * One JSON object per line on stdout, or text for people (configuration §5), without secrets. Writes synchronously: a line that was logged
 * is out, also when the process dies next. The level can be changed later with `setLogLevel`.
 */
export function createLogger(options: LoggerOptions, stream: DestinationStream = stdout(options.format)): Logger {
  return pino(
    {
      level: options.level.toLowerCase(),
      base: { service: options.service, nodeId: options.nodeId },
      timestamp: stdTimeFunctions.isoTime,
      messageKey: 'message',
      formatters: {
        // Whoever looks for `ERROR` must find what ended the process, too.
        level: (label) => ({ level: label === 'fatal' ? 'ERROR' : label.toUpperCase() }),
        log: redact,
      },
      // Errors are plain objects by then.
      serializers: { err: (error: unknown) => error },
      hooks: { streamWrite: redactText },
    },
    stream,
  );
}

function stdout(format: LogFormat = 'json'): DestinationStream {
  const isText = format === 'text' || (format === 'auto' && process.stdout.isTTY);
  return isText ? terminalLines() : destination({ sync: true });
}

export function setLogLevel(logger: Logger, level: LogLevel): void {
  logger.level = level.toLowerCase();
}

/** Contexts in which Nest reports every module and route it found: of interest to nobody but its own developers. */
const CHATTY_CONTEXTS = new Set([
  'InstanceLoader',
  'RoutesResolver',
  'RouterExplorer',
  'NestFactory',
  'NestApplication',
  'NestMicroservice',
]);

/** Contexts whose errors are thrown as well: `runService` tells why a start has failed, if it has. */
const THROWN_TOO = new Set(['ExceptionHandler', 'NestApplication']);

/** Nest's own messages through our logger. What it tells while wiring itself up is DEBUG. */
export class NestLogger implements LoggerService {
  constructor(private readonly logger: Logger) {}

  log(message: unknown, ...rest: unknown[]): void {
    const context = contextOf(rest);
    const level = CHATTY_CONTEXTS.has(context) ? 'debug' : 'info';
    this.logger[level]({ context }, textOf(message));
  }

  error(message: unknown, ...rest: unknown[]): void {
    const context = contextOf(rest);
    if (THROWN_TOO.has(context)) return;
    const err = message instanceof Error ? message : undefined;
    const stack = typeof rest[0] === 'string' && rest.length > 1 ? rest[0] : undefined;
    this.logger.error({ context, err, stack }, textOf(message));
  }

  warn(message: unknown, ...rest: unknown[]): void {
    this.logger.warn({ context: contextOf(rest) }, textOf(message));
  }

  debug(message: unknown, ...rest: unknown[]): void {
    this.logger.debug({ context: contextOf(rest) }, textOf(message));
  }

  verbose(message: unknown, ...rest: unknown[]): void {
    this.debug(message, ...rest);
  }

  fatal(message: unknown, ...rest: unknown[]): void {
    this.error(message, ...rest);
  }
}

/** Nest passes the name of the speaking class last. */
function contextOf(rest: readonly unknown[]): string {
  const last = rest.at(-1);
  return typeof last === 'string' ? last : '';
}

function textOf(message: unknown): string {
  if (message instanceof Error) return message.message;
  return typeof message === 'string' ? message : JSON.stringify(message);
}
