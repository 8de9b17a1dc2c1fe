/** Measurements that are kept: of the last minute, with one every 10 s. */
const KEPT = 6;
/** What a clock may drift within that time, and what a reading is rounded by, ms. */
const SLACK_MS = 20;

interface Measurement {
  readonly offsetMs: number;
  /** Half of the round trip: the other clock was read somewhere in it. */
  readonly errorMs: number;
}

/**
 * How far another clock is ahead of ours, from readings of it that took a round trip each. The shortest of the last ones
 * counts; a reading that none of them can explain means that the other clock was set, and the earlier ones are forgotten.
 */
export class ClockOffset {
  private measurements: Measurement[] = [];

  /** ms to add to our clock for what the other one shows; `undefined` before the first reading */
  get ms(): number | undefined {
    return this.best?.offsetMs;
  }

  /**
   * @param askedAt on our clock, ms
   * @param otherMs what the other clock showed
   * @param answeredAt on our clock, ms
   */
  add(askedAt: number, otherMs: number, answeredAt: number): void {
    const measurement = { offsetMs: otherMs - (askedAt + answeredAt) / 2, errorMs: (answeredAt - askedAt) / 2 };
    const { best } = this;
    const wasSet =
      best !== undefined &&
      Math.abs(measurement.offsetMs - best.offsetMs) > measurement.errorMs + best.errorMs + SLACK_MS;
    this.measurements = wasSet ? [measurement] : [...this.measurements.slice(1 - KEPT), measurement];
  }

  private get best(): Measurement | undefined {
    let best: Measurement | undefined;
    for (const one of this.measurements) if (best === undefined || one.errorMs <= best.errorMs) best = one;
    return best;
  }
}
