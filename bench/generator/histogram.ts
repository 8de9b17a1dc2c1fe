import { LatencySummary } from './job';

/** Buckets per power of two: a value is reported at most 1/64 (1.6 %) too high. */
const STEPS = 64;
const STEP_BITS = 6;

function bucketOf(value: number): number {
  if (value < STEPS * 2) return value;
  const exponent = 31 - Math.clz32(value) - STEP_BITS;
  return exponent * STEPS + (value >> exponent);
}

/** The largest value that falls into `bucket`. */
function upperBound(bucket: number): number {
  if (bucket < STEPS * 2) return bucket;
  const exponent = Math.floor(bucket / STEPS) - 1;
  return (bucket - exponent * STEPS + 1) * 2 ** exponent - 1;
}

/** Counts durations in whole microseconds, up to 2^31 (35 minutes), in constant memory. */
export class Histogram {
  private readonly buckets = new Float64Array(bucketOf(2 ** 31 - 1) + 1);
  private total = 0;
  private largest = 0;

  get count(): number {
    return this.total;
  }

  record(micros: number): void {
    const value = Math.min(Math.max(0, Math.round(micros)), 2 ** 31 - 1);
    const bucket = bucketOf(value);
    this.buckets[bucket] = (this.buckets[bucket] ?? 0) + 1;
    this.total++;
    if (value > this.largest) this.largest = value;
  }

  /** The value (µs) that `percent` of all recorded ones do not exceed; 0 when nothing was recorded. */
  percentile(percent: number): number {
    const rank = Math.max(1, Math.ceil((this.total * percent) / 100));
    let seen = 0;
    for (let bucket = 0; bucket < this.buckets.length; bucket++) {
      seen += this.buckets[bucket] ?? 0;
      if (seen >= rank) return Math.min(upperBound(bucket), this.largest);
    }
    return 0;
  }

  summary(): LatencySummary {
    return {
      p50Ms: this.percentile(50) / 1000,
      p99Ms: this.percentile(99) / 1000,
      maxMs: this.largest / 1000,
    };
  }
}
