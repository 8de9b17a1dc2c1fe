import type { Answer, NoAnswer } from './transport';

/** The ceiling of the first wait; it doubles with each further one. */
const FIRST_CEILING_MS = 100;
/** A request that waits longer is worth more as an error to its caller. */
const MAX_CEILING_MS = 5_000;
/** A server that asks for more than this is not waited for. */
const MAX_RETRY_AFTER_MS = 20_000;

/**
 * How long to wait before the next attempt, full jitter included, so that backends that failed together do not return
 * together; what the server asked for by `Retry-After` comes on top.
 *
 * @param outcome of the last attempt: an answer, or why there was none
 * @param retry 0 for the first repetition
 * @returns milliseconds; `undefined` when another attempt is pointless
 */
export function waitBeforeRetry(outcome: Answer | NoAnswer, retry: number, random = Math.random): number | undefined {
  const status = outcome.statusCode;
  if (status !== undefined && status !== 429 && status < 500) return undefined;
  const askedMs = outcome.statusCode === undefined ? 0 : retryAfterMs(outcome.headers.get('retry-after'));
  if (askedMs > MAX_RETRY_AFTER_MS) return undefined;
  return askedMs + random() * Math.min(MAX_CEILING_MS, FIRST_CEILING_MS * 2 ** retry);
}

/** RFC 9110 §10.2.3: seconds or a date; anything else asks for nothing. */
function retryAfterMs(value: string | null): number {
  if (value === null) return 0;
  if (/^\d+$/.test(value.trim())) return Number(value) * 1000;
  const until = Date.parse(value);
  return Number.isNaN(until) ? 0 : Math.max(0, until - Date.now());
}
