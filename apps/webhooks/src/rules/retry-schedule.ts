/** An event that failed for a moment's reason, a restart for instance, is repeated soon. */
const FIRST_DELAY_MS = 1_000;
/** A receiver that comes back is noticed within so long, and one that is away for a day is not asked all the time. */
const LONGEST_DELAY_MS = 600_000;
/** Receivers that failed together must not be asked again together. */
const JITTER = 0.2;

/**
 * How long to wait after so many failures in a row, in ms: 1 s, 2 s, 4 s … 10 minutes, give or take a fifth.
 *
 * @param failures from 1
 * @param random a number from 0 to 1
 */
export function retryDelayMs(failures: number, random: number): number {
  return Math.round(nominalDelayMs(failures) * (1 - JITTER + 2 * JITTER * random));
}

/** How long it takes to make so many attempts, in ms, when each of them fails at once. */
export function scheduleMs(attempts: number): number {
  let total = 0;
  for (let failures = 1; failures < attempts; failures++) total += nominalDelayMs(failures);
  return total;
}

function nominalDelayMs(failures: number): number {
  return Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** (failures - 1));
}
