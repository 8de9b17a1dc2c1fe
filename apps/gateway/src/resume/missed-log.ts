import { Logger, LOGGER } from '@hearth/runtime';
import { within } from '@hearth/timing';
import { Database, Db, MissedMessage, MissedRange, newestMessages } from '@hearth/store';
import { Inject, Injectable } from '@nestjs/common';

/** A resume goes on without the log after this time. */
const TIMEOUT_MS = 1_000;
/** While Postgres is away, thousands of clients that resume must not each find that out. */
const AWAY_MS = 5_000;

/** Stored messages for clients that were away for longer than the deliver stream reaches. */
@Injectable()
export class MissedLog {
  private awayUntilMs = 0;

  constructor(
    private readonly database: Database,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /**
   * The newest of the range; none when Postgres does not give them soon.
   *
   * @param isWanted whether the client is still there
   * @throws TimeoutError when nobody's turn to read comes
   * @throws UnwantedError
   */
  read(range: MissedRange, isWanted: () => boolean): Promise<readonly MissedMessage[]> {
    return this.database.readFor(range.channel, (db) => this.readNow(db, range), { patienceMs: Infinity, isWanted });
  }

  private async readNow(db: Db, range: MissedRange): Promise<readonly MissedMessage[]> {
    if (performance.now() < this.awayUntilMs) return [];
    try {
      return await within(TIMEOUT_MS, newestMessages(db, range));
    } catch (error) {
      this.awayUntilMs = performance.now() + AWAY_MS;
      this.logger.warn({ channel: range.channel, err: error }, 'a resume could not read the log');
      return [];
    }
  }
}
