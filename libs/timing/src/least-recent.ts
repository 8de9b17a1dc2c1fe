/** The least of what was measured lately, which is nearest to the truth where each measurement is too great by a delay. */
export class LeastRecent {
  private current: number | undefined;
  private before: number | undefined;
  private beganAt = -Infinity;

  /** @param spanMs what is older than twice that does not count */
  constructor(private readonly spanMs: number) {}

  /** @param now `performance.now()` */
  add(value: number, now: number): void {
    this.turn(now);
    if (this.current === undefined || value < this.current) this.current = value;
  }

  /** @returns `undefined` when nothing was measured lately */
  value(now: number): number | undefined {
    this.turn(now);
    const { current, before } = this;
    if (current === undefined || before === undefined) return current ?? before;
    return Math.min(current, before);
  }

  private turn(now: number): void {
    const spans = (now - this.beganAt) / this.spanMs;
    if (spans < 1) return;
    this.before = spans < 2 ? this.current : undefined;
    this.current = undefined;
    this.beganAt = now;
  }
}
