import {
  addWaiting,
  assertSchemaIsCurrent,
  claimTarget,
  DatabaseRefusal,
  ensureTarget,
  firstWaiting,
  giveUp,
  listDeadLetters,
  migrate,
  openDatabase,
  type Database,
} from '@hearth/store';
import { sql } from 'kysely';
import { Client } from 'pg';
import type { ScratchDatabase } from '../../db/scratch-database';
import { createEmptyDatabase } from '../support/database';
import { startApp, type AppName } from '../support/process';

/** What an operator of the server may have set for all its databases, or for one of them. */
const SET_OTHERWISE = {
  DateStyle: 'SQL, DMY',
  IntervalStyle: 'sql_standard',
  TimeZone: 'Asia/Kathmandu',
  bytea_output: 'escape',
  extra_float_digits: '-15',
  standard_conforming_strings: 'off',
  array_nulls: 'off',
  client_encoding: 'LATIN1',
  default_transaction_isolation: 'serializable',
  default_transaction_deferrable: 'on',
  lock_timeout: '1',
  statement_timeout: '2000',
  idle_in_transaction_session_timeout: '1',
};

async function execute(url: string, ...statements: readonly string[]): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  for (const statement of statements) await client.query(statement);
  await client.end();
}

describe('a database with settings of its own', () => {
  let server: ScratchDatabase;
  let database: Database;

  beforeAll(async () => {
    server = await createEmptyDatabase();
    const name = new URL(server.url).pathname.slice(1);
    const settings = Object.entries(SET_OTHERWISE).map(
      ([setting, value]) => `alter database ${name} set ${setting} to ${value.includes(',') ? value : `'${value}'`}`,
    );
    await execute(server.url, settings.join(';'));
    await migrate(server.url);
    database = openDatabase(server.url, { applicationName: 'test' });
  });
  afterAll(async () => {
    await database.close();
    await server.drop();
  });

  it('is used with those that Hearth expects', async () => {
    const { rows } = await sql<{ name: string; setting: string }>`
      select lower(name) as name, setting from pg_settings
       where lower(name) in (${sql.join(Object.keys(SET_OTHERWISE).map((name) => name.toLowerCase()))})`.execute(
      database.db,
    );
    expect(Object.fromEntries(rows.map(({ name, setting }) => [name, setting]))).toEqual({
      datestyle: 'ISO, MDY',
      intervalstyle: 'postgres',
      timezone: 'UTC',
      bytea_output: 'hex',
      extra_float_digits: '1',
      standard_conforming_strings: 'on',
      array_nulls: 'on',
      client_encoding: 'UTF8',
      default_transaction_isolation: 'read committed',
      default_transaction_deferrable: 'off',
      lock_timeout: '0',
      statement_timeout: '15000',
      idle_in_transaction_session_timeout: '5000',
    });
  });

  it('gives dates, bytes and missing values back as they are', async () => {
    const { db } = database;
    const position = { epoch: 0, sequence: 0, timeNs: '', streamCreated: '' };
    const event = { orderingKey: 'é', streamEpoch: 0, sequence: 1, id: 'e1', type: 't', channel: undefined };
    const payload = Buffer.from([0, 92, 200, 255]);
    await ensureTarget(db, 't', position);
    const { claim } = (await claimTarget(db, 't', 'n', 60_000))!;
    await addWaiting(db, claim, [{ ...event, payload }], { ...position, sequence: 1 });
    expect(await firstWaiting(db, 't', 'é', 1, 100)).toMatchObject([{ channel: undefined, payload }]);
    await giveUp(db, claim, '1', { ...event, payload }, 1, 'why');
    const [letter] = await listDeadLetters(db, { limit: 1 });
    expect(letter).toMatchObject({ payload, waitingSince: expect.any(Date), givenUpAt: expect.any(Date) });
    expect(Math.abs(letter!.givenUpAt.getTime() - Date.now())).toBeLessThan(600_000);
  });
});

describe('a database that cannot hold every character', () => {
  let server: ScratchDatabase;
  const REFUSAL = /^HEARTH_DATABASE_URL: the database \w+ has the encoding LATIN1, .* encoding 'UTF8'$/;

  beforeAll(async () => {
    server = await createEmptyDatabase(undefined, `encoding 'LATIN1' locale 'C' template template0`);
  });
  afterAll(() => server.drop());

  it('is not migrated', async () => {
    const migration = migrate(server.url);
    await expect(migration).rejects.toThrow(DatabaseRefusal);
    await expect(migration).rejects.toThrow(REFUSAL);
  });

  it('is not used, whatever is in it', async () => {
    const database = openDatabase(server.url, { applicationName: 'test' });
    await expect(assertSchemaIsCurrent(database.db)).rejects.toThrow(REFUSAL);
    await expect(database.ping()).rejects.toThrow(REFUSAL);
    await database.close();
  });

  it.each<AppName>(['hearth', 'sequencer', 'gateway', 'history', 'publish-api'])('%s does not start', async (name) => {
    const start = startApp(name, {
      HEARTH_DATABASE_URL: server.url,
      HEARTH_NATS_URL: 'nats://127.0.0.1:1',
      HEARTH_HTTP_API_KEY_1: 'a'.repeat(32),
    });
    await expect(start).rejects.toThrow(
      /ended with {"code":1,[^]*HEARTH_DATABASE_URL: the database \w+ has the encoding/,
    );
  });
});
