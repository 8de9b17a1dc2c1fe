import type { DestinationStream } from 'pino';
import pretty from 'pino-pretty';

/** What the reader of a terminal knows, or is told by the welcome text. */
const LEFT_OUT = ['service', 'nodeId', 'context', 'outputs', 'err'];

/**
 * Writes the log to stdout as lines for people: time, level, sentence with the reason of a failure, and what else there
 * is as JSON behind it. In colour on a terminal, unless NO_COLOR is set.
 */
export function terminalLines(): DestinationStream {
  return pretty({
    sync: true,
    colorize: process.stdout.isTTY && !process.env.NO_COLOR,
    messageKey: 'message',
    translateTime: 'SYS:HH:MM:ss',
    ignore: LEFT_OUT.join(','),
    singleLine: true,
    messageFormat: sentenceOf,
  });
}

interface LoggedError {
  readonly message?: string;
  readonly code?: string;
  readonly cause?: LoggedError;
}

/** The message, or what kind of record it is where it has none, then what the error and its causes say, each only if nothing before it has said so. */
export function sentenceOf(log: Record<string, unknown>, messageKey: string): string {
  const parts = [String(log[messageKey] ?? log.type)];
  for (let err = log.err as LoggedError | undefined; err?.message !== undefined; err = err.cause) {
    const told = err.code ?? err.message;
    if (!parts.some((part) => part.includes(told))) parts.push(err.message);
  }
  return parts.join(': ');
}
