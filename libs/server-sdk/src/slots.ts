/**
 * At most so many things at a time; the others wait for their turn, in order. Without it a burst of publishes would open a
 * connection each, and run into the limits of the process and of the server.
 */
export class Slots {
  private readonly waiting: (() => void)[] = [];

  constructor(private free: number) {}

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.free > 0) this.free--;
    else await new Promise<void>((resolve) => this.waiting.push(resolve));
    try {
      return await work();
    } finally {
      // A slot that somebody waits for is handed over without becoming free.
      const next = this.waiting.shift();
      if (next === undefined) this.free++;
      else next();
    }
  }
}
