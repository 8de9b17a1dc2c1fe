import type { HearthConfig } from '@hearth/config';
import type { Logger } from '@hearth/runtime';
import { Database, DatabaseRefusal, ensurePartitions } from '@hearth/store';

const RETRY_MS = 5_000;

/**
 * Makes sure that messages go to the partition of their channel. While Postgres is away nobody can tell how many there
 * are; messages are accepted all the same, and it is asked again.
 *
 * @throws DatabaseRefusal when the installation has another number, or the database is unfit; later, that ends the process
 */
export async function agreeOnPartitions(
  database: Pick<Database, 'db'>,
  config: Pick<HearthConfig, 'partitions'>,
  logger: Logger,
): Promise<void> {
  try {
    await ensurePartitions(database.db, config.partitions);
  } catch (error) {
    if (error instanceof DatabaseRefusal) throw error;
    logger.warn({ err: error }, 'whether HEARTH_PARTITIONS is the number of the installation is not known yet');
    setTimeout(() => void agreeOnPartitions(database, config, logger), RETRY_MS).unref();
  }
}
