import { Injectable } from '@nestjs/common';

/**
 * Lets long work go on piece by piece, one piece in each turn of the event loop, whoever's it is: a connection with a
 * thousand channels would make all others wait (limits §5).
 */
@Injectable()
export class WorkTurns {
  private readonly waiting: (() => void)[] = [];

  /** Resolves when the next piece may be done. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      if (this.waiting.push(resolve) === 1) setImmediate(() => this.turn());
    });
  }

  /** Does something with each, `atOnce` of them in a turn; the first ones at once. */
  async each<T>(all: readonly T[], atOnce: number, work: (some: readonly T[]) => unknown): Promise<void> {
    for (let from = 0; from < all.length; from += atOnce) {
      if (from > 0) await this.next();
      await work(all.slice(from, from + atOnce));
    }
  }

  private turn(): void {
    this.waiting.shift()?.();
    if (this.waiting.length > 0) setImmediate(() => this.turn());
  }
}
