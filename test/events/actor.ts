import { setTimeout as delay } from 'node:timers/promises';

/** Somebody who does something again and again until the load ends. */
export abstract class Actor {
  /** Rounds so far. */
  rounds = 0;
  /** What ended it before its time. */
  failure: Error | undefined;
  private isStopping = false;
  private running: Promise<void> = Promise.resolve();

  /** @param paceMs pause after each round: what bounds the load */
  protected constructor(
    readonly name: string,
    private readonly paceMs: number,
  ) {}

  start(): void {
    this.running = this.run();
    // Whoever waits for the end is told; until then a failure must not end the process.
    this.running.catch((error: Error) => (this.failure = error));
  }

  /** Ends after the round at hand. @throws whatever went wrong in a round */
  async stop(): Promise<void> {
    this.isStopping = true;
    await this.running;
  }

  protected abstract round(n: number): Promise<void>;

  private async run(): Promise<void> {
    while (!this.isStopping) {
      await this.round(this.rounds);
      this.rounds++;
      await delay(this.paceMs);
    }
  }
}
