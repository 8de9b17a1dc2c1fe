import { isRefusedForData, TargetLostError, type Db, type RefusedRow } from '@hearth/store';
import { setTimeout as delay } from 'node:timers/promises';
import type { TargetHost } from './target-host';

const RETRY_MS = 1_000;

/** The process no longer delivers; whatever was under way is left to the next one. */
export class StoppedError extends Error {}

/** Postgres, asked for a target until it answers: nothing may be forgotten, and nothing may overtake what is not written down. */
export class PatientDatabase {
  constructor(
    private readonly host: TargetHost,
    private readonly target: string,
    private readonly isStopped: () => boolean,
  ) {}

  /**
   * @throws TargetLostError when another process has the target
   * @throws StoppedError when the process stops meanwhile
   */
  done<T>(work: (db: Db) => Promise<T>): Promise<T> {
    return this.repeat(work, false);
  }

  /**
   * Does the same with what Postgres may refuse for what it is, which no repeat changes.
   *
   * @param rest done then; gives what is left out
   * @returns what was left out, which has been told
   */
  async unlessRefused(
    work: (db: Db) => Promise<void>,
    rest: (db: Db, error: unknown) => Promise<readonly RefusedRow[]>,
  ): Promise<readonly RefusedRow[]> {
    try {
      await this.repeat(work, true);
      return [];
    } catch (error) {
      if (!isRefusedForData(error)) throw error;
      const refused = await this.done((db) => rest(db, error));
      this.host.tellRefused(this.target, refused);
      return refused;
    }
  }

  private async repeat<T>(work: (db: Db) => Promise<T>, mayBeRefused: boolean): Promise<T> {
    for (;;) {
      try {
        return await work(this.host.database.db);
      } catch (error) {
        if (error instanceof TargetLostError || (mayBeRefused && isRefusedForData(error))) throw error;
        if (this.isStopped()) throw new StoppedError();
        this.host.logger.warn({ err: error, target: this.target }, 'Postgres is needed, trying again');
        await delay(RETRY_MS);
      }
    }
  }
}
