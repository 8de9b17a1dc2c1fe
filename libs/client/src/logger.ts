import type { Logger } from './types';

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const;
type Level = (typeof LEVELS)[number];

/** Writes to the console what is important enough. */
export function consoleLogger(
  initial: string,
): Logger & { trace(...what: unknown[]): void; setLevel(level: string): void } {
  let least = LEVELS.indexOf(initial as Level);
  const log =
    (level: Exclude<Level, 'silent'>) =>
    (...what: unknown[]): void => {
      if (LEVELS.indexOf(level) >= least) console[level](...what);
    };
  return {
    trace: log('trace'),
    debug: log('debug'),
    info: log('info'),
    warn: log('warn'),
    error: log('error'),
    setLevel: (level) => {
      const index = LEVELS.indexOf(level as Level);
      if (index >= 0) least = index;
    },
  };
}
