import { setTimeout as delay } from 'node:timers/promises';
import { waitBeforeRetry } from './backoff';
import { Slots } from './slots';
import type { Answer, HttpRequest, NoAnswer } from './transport';

/** Requests in flight of one publisher, the number the AWS SDK allows itself. */
const MAX_IN_FLIGHT = 50;

/** Sends requests, not too many at a time, and repeats those whose failure may pass. */
export class Requests {
  private readonly slots = new Slots(MAX_IN_FLIGHT);

  /**
   * @param timeoutMs of one attempt
   * @param make asked for each attempt: a signature holds the time it was made
   * @returns the last answer, whatever it says, or why none came. Where a repeated `DELETE` finds nothing, what became of the first
   *   that may have deleted it
   */
  async send(
    { timeoutMs, maxRetries }: { readonly timeoutMs: number; readonly maxRetries: number },
    make: () => Promise<HttpRequest>,
  ): Promise<Answer | NoAnswer> {
    let uncertain: Answer | NoAnswer | undefined;
    for (let retry = 0; ; retry++) {
      const { outcome, method } = await this.slots.run(async () => {
        const request = await make();
        return { outcome: await attempt(request, timeoutMs), method: request.method };
      });
      if (outcome.statusCode === undefined || outcome.statusCode >= 500) uncertain ??= outcome;
      const waitMs = retry < maxRetries ? waitBeforeRetry(outcome, retry) : undefined;
      if (waitMs !== undefined) await delay(waitMs);
      else return method === 'DELETE' && outcome.statusCode === 404 ? (uncertain ?? outcome) : outcome;
    }
  }
}

/** One request. @returns the answer, or why none came; both may be worth another attempt */
async function attempt({ url, method, headers, body }: HttpRequest, timeoutMs: number): Promise<Answer | NoAnswer> {
  try {
    const response = await fetch(url, {
      method,
      headers,
      body,
      // A redirect would take the key elsewhere, or turn the publish into a GET.
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
    });
    const payload = new Uint8Array(await response.arrayBuffer());
    return { statusCode: response.status, headers: response.headers, payload };
  } catch (cause) {
    return noAnswer(url, timeoutMs, cause);
  }
}

function noAnswer({ host }: URL, timeoutMs: number, cause: unknown): NoAnswer {
  // Not by `instanceof`: fetch's errors may be of another realm, as in test runners. It says only "fetch failed", and what
  // happened is in the cause.
  const { name, cause: reason = cause } = Object(cause) as Partial<Error>;
  if (name === 'TimeoutError') {
    return { problem: `${host} did not answer within ${timeoutMs} ms`, code: 'TIMEOUT', cause };
  }
  // That no address of a name answers has a code and an empty message.
  const { message, code } = Object(reason) as Partial<NodeJS.ErrnoException>;
  return { problem: `no answer from ${host}: ${message || (code ?? String(reason))}`, code: 'NETWORK_ERROR', cause };
}
