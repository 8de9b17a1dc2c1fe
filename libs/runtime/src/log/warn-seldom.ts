import type { Logger } from './logger';

const SILENT_MS = 60_000;
const MOST_REMEMBERED = 1_000;
/** When what was said last in this process (`performance.now()`). */
const said = new Map<string, number>();

/**
 * Warns of what is tried, or is found, again and again: the same text for the same reason once a minute, whichever channel
 * or partition it is about. In between it is for level DEBUG.
 */
export function warnSeldom(
  logger: Logger,
  about: { readonly err?: unknown; readonly [key: string]: unknown },
  text: string,
): void {
  const now = performance.now();
  const key = `${text}: ${about.err instanceof Error ? about.err.message : String(about.err)}`;
  if (now - (said.get(key) ?? -Infinity) < SILENT_MS) return logger.debug(about, text);
  if (said.size >= MOST_REMEMBERED) said.clear();
  said.set(key, now);
  logger.warn(about, text);
}
