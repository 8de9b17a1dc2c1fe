import { Histogram } from '../../bench/generator/histogram';

function histogramOf(values: readonly number[]): Histogram {
  const histogram = new Histogram();
  for (const value of values) histogram.record(value);
  return histogram;
}

describe('the histogram', () => {
  it('gives exact percentiles of small values', () => {
    const histogram = histogramOf(Array.from({ length: 100 }, (_, i) => i + 1));
    expect(histogram.percentile(50)).toBe(50);
    expect(histogram.percentile(99)).toBe(99);
    expect(histogram.percentile(100)).toBe(100);
  });

  it('reports no value below the true one, and none more than 1.6 % above it', () => {
    for (let value = 1; value < 2 ** 31; value = Math.ceil(value * 1.37)) {
      const reported = histogramOf([value, 2 ** 31 - 1]).percentile(50);
      expect(reported).toBeGreaterThanOrEqual(value);
      expect(reported).toBeLessThanOrEqual(value * (1 + 1 / 64));
    }
  });

  it('never reports more than the largest value', () => {
    expect(histogramOf([1_000_003]).percentile(99)).toBe(1_000_003);
  });

  it('sums up in milliseconds', () => {
    expect(histogramOf([1000, 1000, 2000]).summary()).toEqual({ p50Ms: expect.closeTo(1, 1), p99Ms: 2, maxMs: 2 });
  });

  it('is zero when nothing was recorded', () => {
    expect(new Histogram().summary()).toEqual({ p50Ms: 0, p99Ms: 0, maxMs: 0 });
  });
});
