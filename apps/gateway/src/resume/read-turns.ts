import { Injectable } from '@nestjs/common';

/** Each may read a lot, and after a restart thousands of clients may resume at the same moment. */
const READS_AT_ONCE = 16;

/** Lets no more resumes read at once than is good for everybody; the others wait for their turn. */
@Injectable()
export class ReadTurns {
  private reading = 0;
  private readonly waiting: (() => void)[] = [];

  async take<T>(work: () => Promise<T>): Promise<T> {
    if (this.reading >= READS_AT_ONCE) await new Promise<void>((resolve) => this.waiting.push(resolve));
    this.reading++;
    try {
      return await work();
    } finally {
      this.reading--;
      this.waiting.shift()?.();
    }
  }
}
