/** How often something may happen: tokens a second, and the most that can be saved up (limits §1). */
export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

/** `none`: it may not happen at all, which only a claim can say. */
export type RateLimit = Rate | 'unlimited' | 'none';

/** A million operations in a microsecond are none that anybody counts. */
const MOST = 1e12;

/**
 * The limit that numbers mean.
 *
 * @param perSecond greater than 0
 * @param burst default: the rate, rounded up
 * @returns `undefined` when they are no limit
 */
export function rateOf(perSecond: number, burst = Math.ceil(perSecond)): Rate | undefined {
  const isRate = perSecond > 0 && perSecond <= MOST;
  return isRate && burst >= 1 && burst <= MOST ? { perSecond, burst } : undefined;
}

/**
 * The value of a setting: `rate` or `rate,burst`; `0` = off.
 *
 * @returns `undefined` for what is neither
 */
export function parseRate(text: string): RateLimit | undefined {
  const match = /^(\d{1,12}(?:\.\d{1,9})?)(?:\s*,\s*(\d{1,12}))?$/.exec(text);
  if (match === null) return undefined;
  const [, perSecond, burst] = match;
  if (Number(perSecond) === 0) return burst === undefined || Number(burst) === 0 ? 'unlimited' : undefined;
  return rateOf(Number(perSecond), burst === undefined ? undefined : Number(burst));
}

/** What both limits allow. */
export function narrower(one: RateLimit, other: RateLimit): RateLimit {
  if (one === 'none' || other === 'none') return 'none';
  if (one === 'unlimited') return other;
  if (other === 'unlimited') return one;
  return { perSecond: Math.min(one.perSecond, other.perSecond), burst: Math.min(one.burst, other.burst) };
}
