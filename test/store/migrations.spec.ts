import { assertSchemaIsCurrent, migrate, openDatabase, SchemaError } from '@hearth/store';
import { Client } from 'pg';
import { type ScratchDatabase } from '../../db/scratch-database';
import { createEmptyDatabase } from '../support/database';

describe('migrations', () => {
  let database: ScratchDatabase;

  beforeEach(async () => void (database = await createEmptyDatabase()));
  afterEach(() => database.drop());

  async function query(text: string) {
    const client = new Client({ connectionString: database.url });
    await client.connect();
    try {
      return (await client.query(text)).rows;
    } finally {
      await client.end();
    }
  }

  it('apply once when several nodes start at once, and again change nothing', async () => {
    const applied: string[] = [];
    const onApplied = (name: string) => applied.push(name);
    await Promise.all([1, 2, 3, 4].map(() => migrate(database.url, { onApplied })));
    await migrate(database.url, { onApplied });
    expect(applied[0]).toBe('0001_message_log.sql');
    expect(applied).toEqual([...new Set(applied)]);
    expect(await query('select name from schema_migration order by version')).toEqual(
      applied.map((name) => ({ name })),
    );
  });

  it('refuse a schema that is newer than the program, and leave it alone', async () => {
    await migrate(database.url);
    await query(`insert into schema_migration (version, name) values (9999, '9999_from_the_future.sql')`);
    const refusal = migrate(database.url);
    await expect(refusal).rejects.toThrow(SchemaError);
    await expect(refusal).rejects.toThrow('version 9999 (9999_from_the_future.sql), newer than this program');
  });

  it('refuse a schema with another history', async () => {
    await migrate(database.url);
    await query(`update schema_migration set name = '0002_something_else.sql' where version = 2`);
    await expect(migrate(database.url)).rejects.toThrow('migration 2 (0002_something_else.sql)');
  });

  it('apply all or nothing, and name the step that failed', async () => {
    const migrations = [
      { version: 1, name: '0001_good.sql', sql: 'create table good ()' },
      { version: 2, name: '0002_bad.sql', sql: 'create table bad (; create table never ()' },
    ];
    await expect(migrate(database.url, { migrations })).rejects.toThrow(/^migration 0002_bad.sql failed: syntax error/);
    expect(await query(`select to_regclass('good') as good, to_regclass('schema_migration') as log`)).toEqual([
      { good: null, log: null },
    ]);
  });

  it('never take a failed read for a fresh installation', async () => {
    await query('create table schema_migration (version text)');
    await expect(migrate(database.url)).rejects.toThrow('column "name" does not exist');
    expect(await query(`select to_regclass('message_log') as log`)).toEqual([{ log: null }]);
  });

  it('are all required by a service that does not migrate itself', async () => {
    const program = openDatabase(database.url, { applicationName: 'test' });
    try {
      await expect(assertSchemaIsCurrent(program.db)).rejects.toThrow(
        /lacks 0001_message_log.sql, .*run npm run db:migrate/,
      );
      await migrate(database.url);
      await assertSchemaIsCurrent(program.db);
      await query(`insert into schema_migration (version, name) values (9999, '9999_from_the_future.sql')`);
      await expect(assertSchemaIsCurrent(program.db)).rejects.toThrow('newer than this program');
    } finally {
      await program.close();
    }
  });
});
