import type { DestinationStream } from 'pino';
import pretty from 'pino-pretty';

/** What the reader of a terminal knows, or is told by the welcome text. */
const LEFT_OUT = ['service', 'nodeId', 'context', 'outputs', 'err.stack'];

/**
 * Writes the log to stdout as lines for people: time, level, sentence, and what else there is as JSON behind it. In
 * colour on a terminal, unless NO_COLOR is set.
 */
export function terminalLines(): DestinationStream {
  return pretty({
    sync: true,
    colorize: process.stdout.isTTY && !process.env.NO_COLOR,
    messageKey: 'message',
    translateTime: 'SYS:HH:MM:ss',
    ignore: LEFT_OUT.join(','),
    singleLine: true,
    errorLikeObjectKeys: [],
  });
}
