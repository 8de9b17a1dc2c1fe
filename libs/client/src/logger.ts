import type { Logger } from './types';

const WRITTEN = ['trace', 'debug', 'info', 'warn', 'error'] as const;
const LEVELS = [...WRITTEN, 'silent'] as const;
type Written = (typeof WRITTEN)[number];
type Level = (typeof LEVELS)[number];

/** Writes to the console what is important enough. */
export function consoleLogger(
  initial: string,
): Logger & { trace(...what: unknown[]): void; setLevel(level: string): void } {
  // A level that is none is above all.
  let least: number = LEVELS.length;
  const logs = WRITTEN.map((level, index) => {
    const log = (...what: unknown[]): void => {
      if (index >= least) console[level](...what);
    };
    return [level, log] as const;
  });
  const setLevel = (level: string): void => {
    const index = LEVELS.indexOf(level as Level);
    if (index >= 0) least = index;
  };
  setLevel(initial);
  return { ...(Object.fromEntries(logs) as Record<Written, (...what: unknown[]) => void>), setLevel };
}
