/**
 * The time that many together may take in one turn of the event loop. When it is used up, who comes waits for the next
 * turn, in which everything else of the process has had its own; those who wait do one thing each, over and over, in the
 * order in which they asked.
 */
export class TurnTime {
  private readonly waiting = new Set<() => void>();
  private beganMs = 0;
  private isTurnToCome = false;

  constructor(private readonly ms: number) {}

  /** Whether it is used up. */
  isOver(): boolean {
    this.beginTurn();
    return performance.now() - this.beganMs >= this.ms;
  }

  /** Whether somebody waits. */
  get isAwaited(): boolean {
    return this.waiting.size > 0;
  }

  /** @param act does one thing that does not take long, and may ask again */
  wait(act: () => void): void {
    this.beginTurn();
    this.waiting.add(act);
  }

  private beginTurn(): void {
    if (this.isTurnToCome) return;
    this.isTurnToCome = true;
    this.beganMs = performance.now();
    setImmediate(() => this.serve());
  }

  private serve(): void {
    this.isTurnToCome = false;
    if (this.waiting.size === 0) return;
    this.beginTurn();
    for (const act of this.waiting) {
      this.waiting.delete(act);
      act();
      if (this.isOver()) return;
    }
  }
}
