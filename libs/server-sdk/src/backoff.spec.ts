import { waitBeforeRetry } from './backoff';

const answer = (statusCode: number, retryAfter?: string) => ({
  statusCode,
  headers: new Headers(retryAfter === undefined ? {} : { 'retry-after': retryAfter }),
  payload: new Uint8Array(),
});
const noAnswer = { code: 'NETWORK_ERROR', problem: 'no answer', cause: undefined } as const;
const half = () => 0.5;

describe('the wait before the next attempt (server-sdk §3.1)', () => {
  it('is somewhere below a ceiling that doubles up to five seconds', () => {
    const waits = [0, 1, 2, 3, 4, 5, 6, 50].map((retry) => waitBeforeRetry(noAnswer, retry, half));
    expect(waits).toEqual([50, 100, 200, 400, 800, 1600, 2500, 2500]);
    expect(waitBeforeRetry(noAnswer, 3, () => 0)).toBe(0);
  });

  it.each([429, 500, 502, 503, 504, 599])('is worth it after %d', (status) => {
    expect(waitBeforeRetry(answer(status), 0, half)).toBe(50);
  });

  it.each([200, 202, 204, 301, 400, 401, 403, 404, 413])('is pointless after %d', (status) => {
    expect(waitBeforeRetry(answer(status, '1'), 0, half)).toBeUndefined();
  });

  it('is longer by what the server asked for, in seconds or as a date', () => {
    expect(waitBeforeRetry(answer(429, '2'), 0, half)).toBe(2050);
    const soon = waitBeforeRetry(answer(503, new Date(Date.now() + 10_000).toUTCString()), 0, half);
    expect(soon).toBeGreaterThan(8_000);
    expect(soon).toBeLessThan(10_100);
    expect(waitBeforeRetry(answer(503, 'Wed, 21 Oct 2015 07:28:00 GMT'), 0, half)).toBe(50);
    expect(waitBeforeRetry(answer(503, 'soon'), 0, half)).toBe(50);
  });

  it('is not made when the server asks for more than 20 seconds', () => {
    expect(waitBeforeRetry(answer(503, '20'), 0, half)).toBe(20_050);
    expect(waitBeforeRetry(answer(503, '21'), 0, half)).toBeUndefined();
  });
});
