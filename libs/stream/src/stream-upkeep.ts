import { every, type Repeated } from '@hearth/timing';

/** How often is looked whether the streams are there. */
const LOOK_EVERY_MS = 5_000;
/** While messages find no stream, looks are no more frequent. */
const AGAIN_AFTER_MS = 1_000;
const COMPLAIN_EVERY_MS = 60_000;
/** A stream that did not store a message will store none soon. */
const UNSTORED_MS = 10_000;

/**
 * Sees to it that the streams of a process exist for as long as it runs: somebody may delete one, and NATS may come back
 * with an empty store. It looks every so often, after a reconnect, and when a message has found no stream.
 */
export class StreamUpkeep {
  private readonly looks: Repeated;
  private looking: Promise<void> | undefined;
  private lookedMs = -Infinity;
  private complainedMs = -Infinity;
  private wereThere = false;
  private unstored: { readonly why: string; readonly atMs: number } | undefined;

  constructor(
    /** Makes the streams that are missing. Resolves with their names when all exist and answer. */
    private readonly ensure: () => Promise<readonly string[]>,
    private readonly warn: (message: string) => void,
  ) {
    this.looks = every(LOOK_EVERY_MS, () => this.look());
  }

  /** Looks now. Rejects with the reason when the streams do not exist and answer afterwards. */
  check(): Promise<void> {
    this.looking ??= this.makeMissing().finally(() => (this.looking = undefined));
    return this.looking;
  }

  /** Looks now; complains in the log, once a minute, when that is no use. */
  async look(): Promise<void> {
    try {
      await this.check();
    } catch (error) {
      const now = performance.now();
      if (now - this.complainedMs < COMPLAIN_EVERY_MS) return;
      this.complainedMs = now;
      this.warn(`the streams cannot be kept, trying again: ${(error as Error).message}`);
    }
  }

  /** A message has found no stream. */
  lookSoon(): void {
    if (performance.now() - this.lookedMs >= AGAIN_AFTER_MS) void this.look();
  }

  /** A stream was there, and could not store a message. */
  noteUnstored(why: string): void {
    this.unstored = { why, atMs: performance.now() };
    this.lookSoon();
  }

  stop(): void {
    void this.looks.stop();
  }

  private async makeMissing(): Promise<void> {
    this.lookedMs = performance.now();
    const made = await this.ensure().catch((error: unknown) => {
      throw new Error(`JetStream: ${(error as Error).message}`, { cause: error });
    });
    if (this.wereThere && made.length > 0) {
      this.warn(`streams were missing and have been made again, empty: ${made.join(', ')}`);
    }
    this.wereThere = true;
    const { unstored } = this;
    if (unstored === undefined || performance.now() - unstored.atMs > UNSTORED_MS) return;
    throw new Error(`JetStream stores nothing, until it has room and is started again: ${unstored.why}`);
  }
}
