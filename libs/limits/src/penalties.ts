/** So many are remembered; the oldest go first. */
const MOST = 100_000;

/** Who is not let in for a while. */
export class Penalties {
  private readonly endsAtMs = new Map<string, number>();

  constructor(
    private readonly lastsMs: number,
    private readonly most = MOST,
  ) {}

  /** @param nowMs of a monotonic clock */
  add(key: string, nowMs: number): void {
    // To the end: they all last alike, so the first ones are over first.
    this.endsAtMs.delete(key);
    this.endsAtMs.set(key, nowMs + this.lastsMs);
    for (const [oldest, endsAtMs] of this.endsAtMs) {
      if (endsAtMs > nowMs && this.endsAtMs.size <= this.most) break;
      this.endsAtMs.delete(oldest);
    }
  }

  /** Time that is left, in milliseconds; 0 for who may come in. */
  leftMs(key: string, nowMs: number): number {
    return Math.max(0, (this.endsAtMs.get(key) ?? 0) - nowMs);
  }
}
