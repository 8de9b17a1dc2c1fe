import { Logger, LOGGER, Metrics } from '@hearth/runtime';
import { Database, describePgCronJob, expiredForMs, expireRows, scheduleExpiryWithPgCron } from '@hearth/store';
import { every, Repeated } from '@hearth/timing';
import { Inject, Injectable } from '@nestjs/common';

/** pg_cron comes by each minute, and a burst may take it several. What stands longer has been left. */
const LEFT_AFTER_MS = 300_000;

/**
 * Has expired rows deleted: by pg_cron where there is one, else, and when that leaves them, on a timer of its own. A job
 * can be there and not run: switched off, refused the connection it makes, of another schema.
 */
@Injectable()
export class RowExpiry {
  private rounds: Repeated | undefined;
  private isDelegated = false;

  constructor(
    private readonly database: Database,
    private readonly metrics: Metrics,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** @throws Error when the database cannot be asked whether it has pg_cron; nothing was started then */
  async start(everyMs: number): Promise<void> {
    this.isDelegated = await scheduleExpiryWithPgCron(this.database.db);
    this.metrics.expiryTakenOver.set(0);
    this.rounds = every(
      everyMs,
      () => this.expire(),
      (error) => this.logger.warn({ err: error }, 'expiry failed, next try on schedule'),
    );
  }

  stop(): void {
    void this.rounds?.stop();
  }

  private async expire(): Promise<void> {
    const { db } = this.database;
    if (this.isDelegated) {
      const leftForMs = await expiredForMs(db);
      if (leftForMs < LEFT_AFTER_MS) return;
      const job = await describePgCronJob(db);
      this.logger.warn({ leftForMs, job }, 'pg_cron does not delete expired rows: the sequencer does from now on');
      this.metrics.expiryTakenOver.set(1);
      this.isDelegated = false;
    }
    await expireRows(db);
  }
}
