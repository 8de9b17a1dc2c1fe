import { deadline, TimeoutError } from '@hearth/timing';
import { Injectable } from '@nestjs/common';

/** Each may read a lot, and after a restart thousands of clients may resume at the same moment. */
const READS_AT_ONCE = 16;
/** By then nobody waits for the answer any more, or it is asked for again (`outage-wait.ts`). */
const TURN_MS = 15_000;

/** Lets no more resumes read at once than is good for everybody; the others wait for their turn. */
@Injectable()
export class ReadTurns {
  private reading = 0;
  /** In the order in which they came. */
  private readonly waiting = new Set<() => void>();

  /** @throws TimeoutError when its turn does not come in time; nothing has been done then */
  async take<T>(work: () => Promise<T>): Promise<T> {
    if (this.reading >= READS_AT_ONCE) await this.turn();
    this.reading++;
    try {
      return await work();
    } finally {
      this.reading--;
      const [next] = this.waiting;
      next?.();
    }
  }

  private turn(): Promise<void> {
    return new Promise((resolve, reject) => {
      const cancel = deadline(TURN_MS, () => {
        this.waiting.delete(go);
        reject(new TimeoutError('others read for too long'));
      });
      const go = (): void => {
        this.waiting.delete(go);
        cancel();
        resolve();
      };
      this.waiting.add(go);
    });
  }
}
