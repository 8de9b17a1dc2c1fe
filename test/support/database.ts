import { migrate } from '@hearth/store';
import { createScratchDatabase, type ScratchDatabase } from '../../db/scratch-database';

/** A database of its own, with nothing in it, on the test server or on another. */
export async function createEmptyDatabase(
  serverUrl = process.env.HEARTH_TEST_DATABASE_URL,
  options = '',
): Promise<ScratchDatabase> {
  if (serverUrl === undefined) throw new Error('HEARTH_TEST_DATABASE_URL is not set: the jest global set-up sets it');
  return createScratchDatabase(serverUrl, 'hearth_test', options);
}

/** A database of its own with the current schema. */
export async function createDatabase(serverUrl?: string): Promise<ScratchDatabase> {
  const database = await createEmptyDatabase(serverUrl);
  await migrate(database.url);
  return database;
}
