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
  private waitingCost = 0;
  private isTurnToCome = false;
  private readonly waiting = new Set<Waiting>();

  /**
   * @param perTurn the unit is whoever's who asks; what costs more has a turn for itself
   * @param mostWaiting of what waits beyond this a part is done in each turn, however long that takes: else nothing would hold
   *   back those who bring it
   */
  constructor(
    private readonly perTurn: number,
    private readonly mostWaiting: number,
  ) {
    this.room = perTurn;
  }

  /** @returns undefined when it may be done now; else resolves in the turn in which it may */
  take(cost: number): Promise<void> | undefined {
    if (this.waiting.size === 0 && this.hasRoom(cost)) {
      this.spend(cost);
      return undefined;
    }
    this.waitingCost += cost;
    return new Promise((begin) => this.waiting.add({ cost, begin }));
  }

  /** Counts more as waiting that is not asked for yet, until the result is called. */
  hold(cost: number): () => void {
    this.waitingCost += cost;
    return () => void (this.waitingCost -= cost);
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
    this.room = Math.max(this.perTurn, (this.waitingCost - this.mostWaiting) * PART_A_TURN);
    for (const next of this.waiting) {
      if (!this.hasRoom(next.cost)) break;
      this.waiting.delete(next);
      this.waitingCost -= next.cost;
      this.spend(next.cost);
      next.begin();
    }
  }
}
