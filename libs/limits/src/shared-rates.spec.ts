import { SharedRates } from './shared-rates';

const LIMIT = { perSecond: 100, burst: 100 };

/** What passes in each of some processes, each asked so often a second, for so many seconds. */
function passing(rates: readonly number[], seconds: number, isCutOff = false): number[] {
  const processes = rates.map((_, at) => new SharedRates(String(at), LIMIT));
  const passed = rates.map(() => 0);
  const tell = (nowMs: number): void => {
    for (const report of processes.map((process) => process.takeReport())) {
      for (const process of processes) process.learn(report, nowMs);
    }
  };
  tell(0);
  for (let nowMs = 0; nowMs < seconds * 1_000; nowMs++) {
    if (nowMs % 1_000 === 999 && !isCutOff) tell(nowMs);
    processes.forEach((process, at) => {
      const count =
        Math.floor(((nowMs + 1) * (rates[at] ?? 0)) / 1_000) - Math.floor((nowMs * (rates[at] ?? 0)) / 1_000);
      for (let n = 0; n < count; n++)
        passed[at] = (passed[at] ?? 0) + Number(process.take('k', 1, nowMs, isCutOff) === 0);
    });
  }
  return passed;
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

describe('SharedRates', () => {
  it.each([[[200]], [[100, 100]], [[190, 10]], [[200, 0]], [[50, 50, 50, 50]], [[1_000, 100, 10]]])(
    'pass one rate together, asked %j a second',
    (rates) => {
      const total = sum(passing(rates, 20));
      expect(total).toBeGreaterThan(2_100 * 0.9);
      expect(total).toBeLessThan(2_100 * 1.1);
    },
  );

  it('are shared by demand', () => {
    const [busy = 0, quiet = 0] = passing([900, 100], 20);
    expect(busy / quiet).toBeGreaterThan(4);
  });

  it('let all pass that is asked for when that is less than the rate, wherever', () => {
    expect(passing([40, 40], 20)).toEqual([800, 800]);
  });

  it('are shared alike where nobody is heard', () => {
    const total = passing([100, 100], 20, true);
    expect(total.every((passed) => passed > 950 && passed < 1_150)).toBe(true);
  });

  it('belong to who is left when others leave or die', () => {
    const [one, other] = [new SharedRates('one', LIMIT), new SharedRates('other', LIMIT)];
    one.learn(other.takeReport(), 0);
    expect(one.take('k', 51, 0, false)).toBe(0);
    expect(one.take('k', 1, 0, false)).toBeGreaterThan(0);
    one.sweep(3_501);
    expect(one.take('k', 100, 3_501, false)).toBe(0);
    one.learn(other.takeReport(), 3_501);
    one.learn({ ...other.takeReport(), leaves: true }, 3_501);
    expect(one.take('k', 100, 5_600, false)).toBe(0);
  });

  it('keep nothing without a limit', () => {
    const shared = new SharedRates('one', 'unlimited');
    expect(shared.take('k', 1e9, 0, false)).toBe(0);
    expect(shared.takeReport().demands).toEqual({});
  });
});
