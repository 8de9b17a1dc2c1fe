/** A request could not be answered in time; what it waited for may still happen. */
export class DeadlineError extends Error {}

/** The time to answer one request (`HEARTH_HTTP_TIMEOUT_MS`), whatever it waits for and however often. */
export class Deadline {
  private readonly atMs: number;

  constructor(private readonly timeoutMs: number) {
    this.atMs = performance.now() + timeoutMs;
  }

  /** What comes of the work after the deadline is nobody's concern. @throws DeadlineError */
  async bound<T>(work: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const overdue = (): void => reject(new DeadlineError(`it took longer than ${this.timeoutMs} ms`));
      timer = setTimeout(overdue, this.atMs - performance.now());
    });
    try {
      return await Promise.race([work, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}
