import { appendMessages, migrate, openDatabase, scheduleExpiryWithPgCron, type Database } from '@hearth/store';
import { sql } from 'kysely';
import { eventually } from '../support/eventually';
import { startNats } from '../support/nats';
import { startApp } from '../support/process';
import { logRow } from './log-row';

/** A row that nobody has deleted for ten minutes. */
function logRowLeft() {
  const expired = new Date(Date.now() - 600_000);
  return {
    channel: 'left',
    id: '01ARZ3NDEKTSV4RRFFQ69G5FAV',
    event: 'left',
    data: '1',
    trigger: 't',
    request_id: '00000000-0000-0000-0000-000000000000',
    expires_at: expired,
  };
}

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

  it('deletes an expired row within a minute, by a job of its own for an installation in another schema', async () => {
    const [expired, kept] = [logRow({ store: 0 }), logRow({ store: 3_600 })];
    await appendMessages(database.db, [expired, kept]);
    await sql`create schema other`.execute(database.db);
    const other = openDatabase(`${url}?options=-csearch_path%3Dother`, { applicationName: 'test' });
    await migrate(`${url}?options=-csearch_path%3Dother`);
    await scheduleExpiryWithPgCron(other.db);
    const { rows: jobs } = await sql`select jobname, command from cron.job order by jobname`.execute(database.db);
    expect(jobs).toEqual([
      { jobname: 'hearth expire_rows', command: 'select expire_rows()' },
      { jobname: 'hearth expire_rows in other', command: 'set search_path to other; select expire_rows()' },
    ]);
    await other.db.insertInto('message_log').values(logRowLeft()).execute();
    await eventually(async () => {
      expect(await database.db.selectFrom('message_log').select('id').execute()).toEqual([{ id: kept.id }]);
      expect(await other.db.selectFrom('message_log').select('id').execute()).toEqual([]);
    }, 75_000);
    // The run that has just committed is noted a moment later.
    await eventually(async () => {
      const { rows } = await sql`select distinct status from cron.job_run_details`.execute(database.db);
      expect(rows).toEqual([{ status: 'succeeded' }]);
    });
    await sql`select cron.unschedule(jobid) from cron.job`.execute(database.db);
    await other.close();
    await sql`drop schema other cascade`.execute(database.db);
  });

  it.each([
    ['is switched off', sql`select cron.alter_job(jobid, active := false) from cron.job`, 'the job is not active'],
    ['is gone', sql`select cron.unschedule(jobid) from cron.job`, 'the job is gone'],
    [
      'fails',
      sql`select cron.alter_job(jobid, schedule := '0 0 1 1 *', command := 'select 1/0') from cron.job`,
      'its last run',
    ],
  ])('is stood in for by the sequencer, which says why, when its job %s', async (_, harm, why) => {
    const nats = await startNats();
    const sequencer = await startApp('sequencer', {
      HEARTH_DATABASE_URL: url!,
      HEARTH_NATS_URL: nats.url,
      HEARTH_EXPIRY_SECONDS: '1',
    });
    try {
      await eventually(async () => {
        const { rows } = await sql`select from cron.job where active`.execute(database.db);
        expect(rows).toHaveLength(1);
      });
      await harm.execute(database.db);
      await database.db.insertInto('message_log').values(logRowLeft()).execute();
      await eventually(async () => {
        expect(await database.db.selectFrom('message_log').select('id').where('event', '=', 'left').execute()).toEqual(
          [],
        );
      });
      expect(sequencer.lines.join('\n')).toMatch(new RegExp(`"job":"${why}.*pg_cron does not delete expired rows`));
      const metrics = await (await fetch(`http://127.0.0.1:${sequencer.adminPort}/metrics`)).text();
      expect(metrics).toContain('hearth_expiry_taken_over 1');
    } finally {
      await sql`select cron.unschedule(jobid) from cron.job`.execute(database.db);
      await sequencer.stop();
      await nats.stop();
    }
  });
});
