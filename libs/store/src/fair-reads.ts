import { FairQueue } from '@hearth/limits';
import { type CancelDeadline, deadline, TimeoutError } from '@hearth/timing';

/** Somebody who waits to read, as long as `begin` is there. */
interface Waiting {
  begin?: () => void;
}

/**
 * Reads on behalf of clients: so many at once, and then who has read least of late is next (limits §5). Each may be a page of
 * 1 MiB, of which one client may ask for hundreds in the same moment: in the order in which they come, everybody else would
 * wait for all of them.
 */
export class FairReads {
  private readonly waiting = new FairQueue<Waiting>();
  private reading = 0;

  constructor(private readonly atOnce: number) {}

  /**
   * @param client who it is for
   * @throws TimeoutError when its turn does not come in time; nothing has been read then
   */
  async take<T>(client: string, patienceMs: number, read: () => Promise<T>): Promise<T> {
    if (this.reading < this.atOnce) this.reading++;
    else await this.turn(client, patienceMs);
    try {
      return await read();
    } finally {
      this.handOn();
    }
  }

  private turn(client: string, patienceMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const cancel: CancelDeadline = deadline(patienceMs, () => {
        delete waiting.begin;
        reject(new TimeoutError('others read for too long'));
      });
      const waiting: Waiting = {
        begin: () => {
          cancel();
          resolve();
        },
      };
      this.waiting.push(client, waiting);
    });
  }

  /** One has read: its place is the next one's. */
  private handOn(): void {
    for (let next = this.waiting.shift(); next !== undefined; next = this.waiting.shift()) {
      if (next.begin !== undefined) return next.begin();
    }
    this.reading--;
  }
}
