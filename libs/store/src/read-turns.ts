import { OutageError } from '@hearth/protocol';
import { deadline, TimeoutError } from '@hearth/timing';
import { FairQueue } from '@hearth/limits';

/** When no turn has ended for so long, what is read from is away, and nobody waits any longer. */
const STANDSTILL_MS = 15_000;

/** Somebody who waits to read, as long as `begin` is there. */
interface Waiting {
  begin?: () => void;
  readonly isWanted: () => boolean;
  readonly leave: () => void;
}

/** How somebody waits for his turn to read. */
export interface Patience {
  /** By default, whoever waits does so for as long as turns end. */
  readonly patienceMs?: number;
  /** Whether there still is somebody who wants what is read; asked when it is his turn. */
  readonly isWanted?: () => boolean;
}

/** Nobody wants what was to be read any more; it has not been read. */
export class UnwantedError extends OutageError {
  override readonly name = 'UnwantedError';
}

const always = (): boolean => true;
const nobodyWaits = (): UnwantedError => new UnwantedError('nobody waits for it any more');

/**
 * Reads on behalf of clients: so many at once, and then who has read least of late is next (limits §5). Each may be a page of
 * 1 MiB, of which one client may ask for hundreds in the same moment: in the order in which they come, everybody else would
 * wait for all of them.
 */
export class ReadTurns {
  private readonly waiting = new FairQueue<Waiting>();
  private reading = 0;
  /** When a turn ended last, or the first one had to wait (`performance.now()`). */
  private movedMs = 0;
  /** When somebody who had waited had his turn last. */
  private handedOnMs = -Infinity;

  constructor(private readonly atOnce: number) {}

  /** Whether those who wait have their turns: thousands who come back at once may wait for longer than an outage may last. */
  get areMoving(): boolean {
    return performance.now() - this.handedOnMs < STANDSTILL_MS;
  }

  /**
   * @param client who it is for
   * @throws TimeoutError when its turn does not come in time; nothing has been read then
   * @throws UnwantedError
   */
  async take<T>(
    client: string,
    read: () => Promise<T>,
    { patienceMs = Infinity, isWanted = always }: Patience = {},
  ): Promise<T> {
    if (!isWanted()) throw nobodyWaits();
    if (this.reading < this.atOnce) this.reading++;
    else await this.turn(client, isWanted, performance.now() + patienceMs);
    try {
      return await read();
    } finally {
      this.handOn();
    }
  }

  private turn(client: string, isWanted: () => boolean, untilMs: number): Promise<void> {
    if (this.waiting.size === 0) this.movedMs = performance.now();
    return new Promise((resolve, reject) => {
      let cancel = (): void => undefined;
      const look = (): void => {
        const leftMs = Math.min(untilMs, this.movedMs + STANDSTILL_MS) - performance.now();
        if (leftMs > 0) return void (cancel = deadline(leftMs, look));
        delete waiting.begin;
        reject(new TimeoutError('others read for too long'));
      };
      const waiting: Waiting = {
        begin: () => {
          cancel();
          resolve();
        },
        isWanted,
        leave: () => {
          cancel();
          reject(nobodyWaits());
        },
      };
      this.waiting.push(client, waiting);
      look();
    });
  }

  /** One has read: its place is the next one's. */
  private handOn(): void {
    this.movedMs = performance.now();
    for (let next = this.waiting.peek(); next !== undefined; next = this.waiting.peek()) {
      const isThere = next.begin !== undefined && next.isWanted();
      this.waiting.shift(isThere ? 1 : 0);
      if (!isThere) {
        next.leave();
        continue;
      }
      this.handedOnMs = this.movedMs;
      return next.begin?.();
    }
    this.reading--;
  }
}
