/** What an answer means for the event that was sent, and for the URL. */
export type Verdict =
  | { readonly delivered: true }
  | {
      readonly delivered: false;
      /** Why not, in words for an operator. */
      readonly reason: string;
      /** The URL as a whole shall be left alone for so many ms. */
      readonly pauseMs?: number;
    };

/** What a receiver may ask for at most: it could not be told from one that is gone otherwise. */
const LONGEST_PAUSE_MS = 600_000;
/** A receiver that says it wants nothing more is asked again each hour: it may have been a mistake of a deployment. */
const GONE_PAUSE_MS = 3_600_000;

/**
 * What Standard Webhooks makes of an HTTP status: 2xx is success, everything else a failure that is tried again. `410`
 * says that nothing more is wanted; `429` and `503` may say when to come back.
 *
 * @param retryAfter header of that name: seconds or a date
 * @param nowMs ms since 1970
 */
export function judgeAnswer(status: number, retryAfter: string | undefined, nowMs: number): Verdict {
  if (status >= 200 && status <= 299) return { delivered: true };
  const reason = `answered ${status}`;
  if (status === 410) return { delivered: false, reason: `${reason}: wants no more webhooks`, pauseMs: GONE_PAUSE_MS };
  if (status >= 300 && status <= 399) return { delivered: false, reason: `${reason}: redirects are not followed` };
  if (status !== 429 && status !== 503) return { delivered: false, reason };
  return { delivered: false, reason, pauseMs: pauseOf(retryAfter, nowMs) };
}

function pauseOf(retryAfter: string | undefined, nowMs: number): number | undefined {
  if (retryAfter === undefined) return undefined;
  const text = retryAfter.trim();
  const pauseMs = /^\d+$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - nowMs;
  return pauseMs > 0 ? Math.min(pauseMs, LONGEST_PAUSE_MS) : undefined;
}
