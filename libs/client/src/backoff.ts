/** When to connect again after a close (client-library §4): pure, randomness is passed in. */

/** How it has gone so far. */
export interface Tries {
  /** Exponent of the formula. */
  readonly n: number;
  /** Refusals in a row, by close code. */
  readonly unauthorized: number;
  readonly forbidden: number;
}

export interface BackoffOptions {
  readonly baseMs?: number;
  readonly maxMs?: number;
}

export const NO_TRIES: Tries = { n: 0, unauthorized: 0, forbidden: 0 };

/** So long a connection must have lasted for the next failure to count as the first. */
export const STABLE_MS = 10_000;
const BASE_MS = 1_000;
const MAX_MS = 20_000;
const MAX_UNAUTHORIZED = 3;
const MAX_FORBIDDEN = 2;

export interface Plan {
  readonly delayMs: number;
  readonly tries: Tries;
  /** There is no use in trying again. */
  readonly isFinal: boolean;
}

/**
 * @param code close code; 1006 when there was none
 * @param random as `Math.random`
 */
export function afterClose(code: number, before: Tries, random: () => number, options: BackoffOptions = {}): Plan {
  const unauthorized = code === 4401 ? before.unauthorized + 1 : 0;
  const forbidden = code === 4403 ? before.forbidden + 1 : 0;
  const isFinal = unauthorized >= MAX_UNAUTHORIZED || forbidden >= MAX_FORBIDDEN;
  const plan = (delayMs: number, n: number): Plan => ({ delayMs, tries: { n, unauthorized, forbidden }, isFinal });
  // A gateway that goes away on purpose, or is overloaded, says how its clients are to be spread.
  if (code === 1012) return plan(random() * 5_000, before.n);
  if (code === 1013) return plan(1_000 + random() * 9_000, before.n);
  if (code === 4429) return plan(Math.min(60_000, 5_000 * 2 ** before.n + random() * 10_000), before.n + 1);
  // What both sides understand differently will not be better in a second.
  const n = [1002, 1003, 1007, 1009].includes(code) ? Math.max(3, before.n) : before.n;
  const { baseMs = BASE_MS, maxMs = MAX_MS } = options;
  return plan(random() * Math.min(maxMs, baseMs * 2 ** n), n + 1);
}
