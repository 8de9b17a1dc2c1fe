import { judgeAnswer } from './answer';

const NOW = Date.UTC(2026, 0, 1);
const pauseOf = (status: number, retryAfter?: string) => {
  const verdict = judgeAnswer(status, retryAfter, NOW);
  return verdict.delivered ? 'delivered' : verdict.pauseMs;
};

describe('an answer', () => {
  it.each([200, 201, 204, 299])('of %s is success', (status) => {
    expect(judgeAnswer(status, '60', NOW)).toEqual({ delivered: true });
  });

  it.each([100, 199, 300, 301, 304, 308, 400, 404, 500, 502, 504])(
    'of %s is a failure of this event alone',
    (status) => {
      expect(judgeAnswer(status, '60', NOW)).toEqual({
        delivered: false,
        reason: expect.stringContaining(`answered ${status}`),
      });
    },
  );

  it('of 410 has the URL left alone for an hour', () => {
    expect(pauseOf(410)).toBe(3_600_000);
  });

  it.each([429, 503])('of %s is heard when it says when to come back, within bounds', (status) => {
    expect(pauseOf(status)).toBeUndefined();
    expect(pauseOf(status, ' 7 ')).toBe(7_000);
    expect(pauseOf(status, new Date(NOW + 90_000).toUTCString())).toBe(90_000);
    for (const long of ['86400', '9'.repeat(12), '9'.repeat(400)]) expect(pauseOf(status, long)).toBe(600_000);
    for (const nonsense of ['0', '-5', '', 'soon', '1e3', new Date(NOW - 90_000).toUTCString()]) {
      expect(pauseOf(status, nonsense)).toBeUndefined();
    }
  });
});
