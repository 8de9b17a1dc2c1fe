interface Waiting {
  readonly cost: number;
  readonly begin: () => void;
}

const PART_A_TURN = 1 / 8;

/**
 * What may be done in one turn of the event loop, by all who ask together. Whoever finds no room waits for another turn, in
 * which everything else of the process has had its own; those who wait are served in the order in which they asked.
 */
export class TurnBudget {
  private spent = 0;
  private room: number;
  private held = 0;
  private isTurnToCome = false;
  private readonly waiting = new Set<Waiting>();

  /**
   * @param perTurn the unit is whoever's who asks; what costs more has a turn for itself
   * @param mostHeld of what is kept beyond this a part is done in each turn, however long that takes: else nothing would hold back
   *   those who bring it
   */
  constructor(
    private readonly perTurn: number,
    private readonly mostHeld: number,
  ) {
    this.room = perTurn;
  }

  /** @returns undefined when it may be done now; else resolves in the turn in which it may */
  take(cost: number): Promise<void> | undefined {
    if (this.waiting.size === 0 && this.hasRoom(cost)) {
      this.spend(cost);
      return undefined;
    }
    return new Promise((begin) => this.waiting.add({ cost, begin }));
  }

  /** Counts what is kept until it is done; call the result then. */
  hold(cost: number): () => void {
    this.held += cost;
    return () => void (this.held -= cost);
  }

  private hasRoom(cost: number): boolean {
    return this.spent === 0 || this.spent + cost <= this.room;
  }

  private spend(cost: number): void {
    this.spent += cost;
    if (this.isTurnToCome) return;
    this.isTurnToCome = true;
    setImmediate(() => this.beginTurn());
  }

  private beginTurn(): void {
    this.isTurnToCome = false;
    this.spent = 0;
    this.room = Math.max(this.perTurn, (this.held - this.mostHeld) * PART_A_TURN);
    for (const next of this.waiting) {
      if (!this.hasRoom(next.cost)) break;
      this.waiting.delete(next);
      this.spend(next.cost);
      next.begin();
    }
  }
}
