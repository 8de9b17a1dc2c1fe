import { within } from '@hearth/timing';

/** The time to answer one request (`HEARTH_HTTP_TIMEOUT_MS`), whatever it waits for and however often. */
export class Deadline {
  private readonly atMs: number;

  constructor(timeoutMs: number) {
    this.atMs = performance.now() + timeoutMs;
  }

  /** What comes of the work after the deadline is nobody's concern. @throws TimeoutError */
  bound<T>(work: Promise<T>): Promise<T> {
    return within(Math.max(0, this.atMs - performance.now()), work);
  }
}
