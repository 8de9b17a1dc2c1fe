import { eventually } from '../support/eventually';

/** Lets publishers through, or holds them before their next message, so that nothing is under way that could be destroyed. */
export class Gate {
  private closed: Promise<void> | undefined;
  private publishers = 0;
  private waiting = 0;

  /** Somebody publishes until the returned function is called, and passes before each message. */
  join(): () => void {
    this.publishers++;
    return () => this.publishers--;
  }

  async pass(): Promise<void> {
    this.waiting++;
    while (this.closed !== undefined) await this.closed;
    this.waiting--;
  }

  /** Does something while all of them wait. */
  async whileClosed(act: () => Promise<void>): Promise<void> {
    let open: () => void = () => undefined;
    this.closed = new Promise((resolve) => (open = resolve));
    try {
      await eventually(() => {
        const missing = this.publishers - this.waiting;
        if (missing > 0) throw new Error(`${missing} publishers do not come to an end`);
      });
      await act();
    } finally {
      this.closed = undefined;
      open();
    }
  }
}
