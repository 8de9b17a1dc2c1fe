import { retryDelayMs, scheduleMs } from './retry-schedule';

describe('the retry schedule', () => {
  it('doubles from a second to ten minutes', () => {
    const delays = Array.from({ length: 12 }, (_, n) => retryDelayMs(n + 1, 0.5) / 1_000);
    expect(delays).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]);
    expect(retryDelayMs(10_000, 0.5)).toBe(600_000);
  });

  it('varies each delay by a fifth', () => {
    expect([retryDelayMs(1, 0), retryDelayMs(1, 1)]).toEqual([800, 1_200]);
  });

  it('takes about a day with the default number of attempts', () => {
    expect(scheduleMs(1)).toBe(0);
    expect(scheduleMs(4)).toBe(7_000);
    expect(Math.round(scheduleMs(150) / 3_600_000)).toBe(23);
  });
});
