import { UsageError } from './failure';

const UNITS = { d: 86_400, h: 3_600, m: 60, s: 1 } as const;
const NAMES = { d: 'day', h: 'hour', m: 'minute', s: 'second' } as const;
type Unit = keyof typeof UNITS;

/**
 * Seconds of `90`, `90s`, `15m`, `2h` or `7d`.
 *
 * @param flag named when it is something else
 */
export function parseDuration(text: string, flag: string): number {
  const [, count, unit = 's'] = /^(\d{1,9})([smhd])?$/.exec(text) ?? [];
  if (count === undefined) throw new UsageError(`${flag} must be a time such as 90, 90s, 15m, 2h or 7d`);
  return Number(count) * UNITS[unit as Unit];
}

/** `2 hours 1 minute`: the two largest units that are not zero, rounded down. */
export function duration(seconds: number): string {
  let rest = Math.floor(seconds);
  const parts: string[] = [];
  for (const unit of Object.keys(UNITS) as Unit[]) {
    const count = Math.floor(rest / UNITS[unit]);
    rest -= count * UNITS[unit];
    if (count > 0) parts.push(`${count} ${NAMES[unit]}${count === 1 ? '' : 's'}`);
  }
  return parts.slice(0, 2).join(' ') || '0 seconds';
}

/**
 * `2026-01-01T00:00:00Z`, for Unix seconds; the number itself where the calendar does not reach.
 */
export function instant(unixSeconds: number): string {
  const date = new Date(unixSeconds * 1_000);
  return Number.isNaN(date.getTime()) ? String(unixSeconds) : date.toISOString().replace('.000Z', 'Z');
}
