import { openDatabase, untilReachable } from '@hearth/store';
import { sql } from 'kysely';
import { createDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import { freePort } from '../support/free-port';
import { startNats, type TestNats } from '../support/nats';
import { TestPostgres } from '../support/postgres';
import { startApp, type AppName, type AppProcess } from '../support/process';

/** The order in which a machine starts its services is nobody's promise. */
describe('a service that is started while Postgres is away', () => {
  let postgres: TestPostgres;
  let nats: TestNats;
  let databaseUrl: string;

  beforeAll(async () => {
    [postgres, nats] = await Promise.all([TestPostgres.start(), startNats()]);
    databaseUrl = (await createDatabase(postgres.url)).url;
  });
  afterAll(async () => {
    await postgres.stop();
    await nats.stop();
  });

  const environment = () => ({
    HEARTH_NATS_URL: nats.url,
    HEARTH_DATABASE_URL: databaseUrl,
    HEARTH_HTTP_API_KEY_1: 'k'.repeat(32),
    HEARTH_WEBHOOK_URLS: 'https://example.com/',
    HEARTH_WEBHOOK_SECRETS: `whsec_${Buffer.alloc(32).toString('base64')}`,
    HEARTH_EVENTS_ENABLED: 'true',
  });

  it('waits, says for what, and is ready when it is there', async () => {
    await postgres.kill();
    const names: AppName[] = ['sequencer', 'gateway', 'history', 'webhooks', 'hearth'];
    const ports = await Promise.all(names.map(() => freePort()));
    const starts = names.map((name, index) =>
      startApp(name, { ...environment(), HEARTH_ADMIN_PORT: String(ports[index]) }),
    );
    try {
      for (const port of ports) {
        await eventually(async () => {
          const response = await fetch(`http://127.0.0.1:${port}/readyz`);
          const { checks } = (await response.json()) as { checks: Record<string, string> };
          expect([response.status, checks.postgres]).toEqual([503, expect.stringContaining('ECONNREFUSED')]);
        });
      }
      await postgres.restart();
      const apps = await Promise.all(starts);
      for (const app of apps) expect(app.lines.join('\n')).toMatch(/Waiting for Postgres: .*ECONNREFUSED/);
    } finally {
      for (const start of await Promise.allSettled(starts)) {
        if (start.status === 'fulfilled') await start.value.stop();
      }
    }
  });

  it('waits for it at each of its steps', async () => {
    const database = openDatabase(databaseUrl, { applicationName: 'test' });
    const { db } = database;
    const cutOff = () =>
      sql<{ done: boolean }>`
        select pg_terminate_backend(pid) as done from pg_stat_activity
         where application_name = 'hearth-gateway' and wait_event_type = 'Lock'`.execute(db);
    let start: Promise<AppProcess> | undefined;
    try {
      await db.transaction().execute(async (lock) => {
        // For as long as the gateway takes to come to it.
        await sql`set local idle_in_transaction_session_timeout = 0`.execute(lock);
        await sql`lock table installation_key in access exclusive mode`.execute(lock);
        start = startApp('gateway', environment());
        await eventually(async () => expect((await cutOff()).rows).toEqual([{ done: true }]));
      });
      expect((await start)?.lines.join('\n')).toContain('Waiting for Postgres: ');
    } finally {
      await (await start)?.stop();
      await database.close();
    }
  });

  it.each<[string, (url: URL) => string]>([
    ['a password', (url) => ((url.password = 'wrong'), url.href)],
    ['a database', (url) => ((url.pathname = '/nowhere'), url.href)],
  ])('does not wait with %s that the server does not know', async (_, change) => {
    const wrong = change(new URL(databaseUrl));
    const start = startApp('history', { ...environment(), HEARTH_DATABASE_URL: wrong });
    await expect(start).rejects.toThrow(/ended with {"code":1,[^]*HEARTH_DATABASE_URL: /);
  });

  it('ends its waiting when it is told to', async () => {
    const database = openDatabase('postgres://nobody:nothing@127.0.0.1:1/nothing', { applicationName: 'test' });
    const told = new AbortController();
    const waiting = untilReachable(
      () => database.ping(),
      () => told.abort(new Error('told to')),
      told.signal,
    );
    await expect(waiting).rejects.toThrow('told to');
    await database.close();
  });
});
