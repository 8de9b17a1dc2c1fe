import { openDatabase, type Database } from '@hearth/store';
import { sql } from 'kysely';
import { Client } from 'pg';
import { type ScratchDatabase } from '../../db/scratch-database';
import { createDatabase } from '../support/database';
import { eventually } from '../support/eventually';

describe('a database connection', () => {
  let server: ScratchDatabase;
  let database: Database;
  let lines: string[];

  beforeEach(async () => {
    server = await createDatabase();
    lines = [];
    database = openDatabase(server.url, { applicationName: 'under test', max: 4, log: (line) => lines.push(line) });
  });
  afterEach(async () => {
    await database.close();
    await server.drop();
  });

  const pid = sql<{ pid: number }>`select pg_backend_pid() as pid`;
  /** What a restart of the database does to all connections but our own. */
  const terminateOthers = sql`
    select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and application_name = 'under test' and pid <> pg_backend_pid()`;

  it('that is lost while idle is replaced without anybody noticing', async () => {
    const other = openDatabase(server.url, { applicationName: 'other' });
    const before = (await pid.execute(database.db)).rows[0]!.pid;
    await terminateOthers.execute(other.db);
    await eventually(() => expect(lines).not.toEqual([]));
    expect((await pid.execute(database.db)).rows[0]!.pid).not.toBe(before);
    expect(lines[0]).toMatch(/^database connection lost: /);
    await other.close();
  });

  it('that is lost while checked out fails what ran on it, and only that', async () => {
    const interrupted = database.db.transaction().execute(async (tx) => {
      await sql`create table half_done ()`.execute(tx);
      await terminateOthers.execute(database.db);
      await sql`select 1`.execute(tx);
    });
    await expect(interrupted).rejects.toThrow();
    expect((await sql`select to_regclass('half_done') as table`.execute(database.db)).rows).toEqual([{ table: null }]);
    await database.ping();
  });

  it('in the middle of a query fails that query', async () => {
    const sleeping = sql`select pg_sleep(30)`.execute(database.db);
    await eventually(async () => {
      const { rows } = await sql<{ count: number }>`
        select count(*) from pg_stat_activity where query like '%pg_sleep(30)%' and pid <> pg_backend_pid()
           and datname = current_database()`.execute(database.db);
      expect(rows[0]!.count).toBe(1);
    });
    await Promise.all([expect(sleeping).rejects.toThrow(/terminat/i), terminateOthers.execute(database.db)]);
    await database.ping();
  });

  it('never reports a transaction as committed that was rolled back', async () => {
    const swallowed = database.db.transaction().execute(async (tx) => {
      await sql`create table half_done ()`.execute(tx);
      await sql`select 1/0`.execute(tx).catch(() => undefined);
    });
    await expect(swallowed).rejects.toThrow('the transaction was rolled back');
    await database.ping();
  });

  it('is pinged by many at the cost of one', async () => {
    const blocker = new Client(server.url);
    await blocker.connect();
    await blocker.query('begin; lock table schema_migration');
    const pings = Array.from({ length: 50 }, () => database.ping());
    const waiting = sql`select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
    const count = async () => (await waiting.execute(database.db)).rows.length;
    await eventually(async () => expect(await count()).toBe(1));
    await blocker.query('rollback');
    await Promise.all(pings);
    await blocker.end();
  });

  it('fails a ping with the reason when there is no server', async () => {
    const nowhere = openDatabase('postgres://nobody:secret@127.0.0.1:1/nothing', { applicationName: 'test' });
    const ping = nowhere.ping();
    await expect(ping).rejects.toThrow(/ECONNREFUSED/);
    await expect(ping).rejects.not.toThrow(/secret/);
    await nowhere.close();
  });

  it('reads int8 as a number, and refuses one that a number cannot hold', async () => {
    const { rows } = await sql`select 9007199254740991::int8 as n`.execute(database.db);
    expect(rows).toEqual([{ n: Number.MAX_SAFE_INTEGER }]);
    await expect(sql`select 9007199254740993::int8 as n`.execute(database.db)).rejects.toThrow('out of range');
  });
});
