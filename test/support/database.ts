import { migrate } from '@hearth/store';
import { createScratchDatabase, type ScratchDatabase } from '../../db/scratch-database';

/** A database of its own on the test server, with nothing in it. */
export async function createEmptyDatabase(): Promise<ScratchDatabase> {
  const serverUrl = process.env.HEARTH_TEST_DATABASE_URL;
  if (serverUrl === undefined) throw new Error('HEARTH_TEST_DATABASE_URL is not set: the jest global set-up sets it');
  return createScratchDatabase(serverUrl, 'hearth_test');
}

/** A database of its own with the current schema. */
export async function createDatabase(): Promise<ScratchDatabase> {
  const database = await createEmptyDatabase();
  await migrate(database.url);
  return database;
}
