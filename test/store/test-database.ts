import { type Database, openDatabase } from '@hearth/store';
import type { ScratchDatabase } from '../../db/scratch-database';
import { createDatabase } from '../support/database';

/** A database for the tests of a file or a block: it is there from the first of them on, and dropped after the last. */
export function testDatabase(): Pick<Database, 'db'> & { readonly url: string } {
  let server: ScratchDatabase | undefined;
  let database: Database | undefined;
  beforeAll(async () => {
    server = await createDatabase();
    database = openDatabase(server.url, { applicationName: 'test' });
  });
  afterAll(async () => {
    await database?.close();
    await server?.drop();
  });
  return {
    get db() {
      return database!.db;
    },
    get url() {
      return server!.url;
    },
  };
}
