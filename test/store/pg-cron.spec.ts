import { appendMessages, migrate, openDatabase, scheduleExpiryWithPgCron, type Database } from '@hearth/store';
import { sql } from 'kysely';
import { eventually } from '../support/eventually';
import { logRow } from './log-row';

/**
 * Superuser URL of the database that `cron.database_name` of a server with pg_cron preloaded names. The embedded
 * Postgres has no pg_cron, so without this variable these tests are reported as skipped; CI sets it.
 */
const url = process.env.HEARTH_TEST_PG_CRON_URL;

(url ? describe : describe.skip)('pg_cron (runs only with HEARTH_TEST_PG_CRON_URL)', () => {
  let database: Database;

  beforeAll(async () => {
    await migrate(url!);
    database = openDatabase(url!, { applicationName: 'test' });
    await database.db.deleteFrom('message_log').execute();
  });
  afterAll(async () => {
    await sql`select cron.unschedule(jobid) from cron.job`.execute(database.db).catch(() => undefined);
    await database.close();
  });

  it('is given the job once, however many nodes start', async () => {
    expect(await Promise.all([1, 2, 3].map(() => scheduleExpiryWithPgCron(database.db)))).toEqual([true, true, true]);
    const { rows } = await sql`select jobname, schedule, command, active from cron.job`.execute(database.db);
    expect(rows).toEqual([
      { jobname: 'hearth expire_rows', schedule: '* * * * *', command: 'select expire_rows()', active: true },
    ]);
  });

  it('deletes an expired row within a minute', async () => {
    const [expired, kept] = [logRow({ store: 0 }), logRow({ store: 3_600 })];
    await appendMessages(database.db, [expired, kept]);
    await eventually(async () => {
      const rows = await database.db.selectFrom('message_log').select('id').execute();
      expect(rows).toEqual([{ id: kept.id }]);
    }, 75_000);
    const { rows } = await sql`select distinct status from cron.job_run_details`.execute(database.db);
    expect(rows).toEqual([{ status: 'succeeded' }]);
  });
});
