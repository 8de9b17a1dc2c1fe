import {
  appendMessages,
  DatabaseRefusal,
  listMessages,
  migrate,
  openDatabase,
  SessionLock,
  type Database,
} from '@hearth/store';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { createDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import { freePort } from '../support/free-port';
import { logRow } from './log-row';

const isInstalled = spawnSync('pgbouncer', ['--version']).status === 0;
if (!isInstalled && process.env.CI !== undefined) throw new Error('pgbouncer is not installed, and CI runs this test');

/** Each transaction may run in another session of the server. */
(isInstalled ? describe : describe.skip)('PgBouncer in transaction mode (needs the Debian package pgbouncer)', () => {
  let folder: string;
  let bouncer: ChildProcess;
  let url: string;
  let database: Database;
  let direct: Awaited<ReturnType<typeof createDatabase>>;

  beforeAll(async () => {
    direct = await createDatabase();
    const { hostname, port, username, password, pathname } = new URL(direct.url);
    folder = await mkdtemp(join(tmpdir(), 'hearth-pgbouncer-'));
    const listenPort = await freePort();
    await writeFile(join(folder, 'users.txt'), `"${username}" "${password}"\n`);
    await writeFile(
      join(folder, 'pgbouncer.ini'),
      `[databases]\n* = host=${hostname} port=${port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = ${listenPort}\n` +
        `unix_socket_dir =\nauth_type = plain\nauth_file = ${folder}/users.txt\npool_mode = transaction\n`,
    );
    await chmod(folder, 0o755);
    const user = process.getuid?.() === 0 ? ['--user=postgres'] : [];
    bouncer = spawn('pgbouncer', ['--quiet', ...user, join(folder, 'pgbouncer.ini')], { stdio: 'ignore' });
    url = `postgres://${username}:${password}@127.0.0.1:${listenPort}${pathname}`;
    await eventually(() => migrate(url));
    database = openDatabase(url, { applicationName: 'test', max: 4 });
  });
  afterAll(async () => {
    await database.close();
    bouncer.kill();
    await direct.drop();
    await rm(folder, { recursive: true });
  });

  it('is as good as the server itself, also for what is prepared there', async () => {
    await database.ping();
    const channels = Array.from({ length: 40 }, (_, n) => `c${n}`);
    await Promise.all(channels.map((channel) => appendMessages(database.db, [logRow({ channel, store: -1 })])));
    const pages = await Promise.all(channels.map((channel) => listMessages(database.db, { channel, sinceMs: 0 })));
    expect(pages.map((page) => page.length)).toEqual(channels.map(() => 1));
  });

  it('keeps no lock for a session, and that is known', async () => {
    const lock = new SessionLock(url, 'test', () => undefined);
    expect(await lock.confirm()).toBeUndefined();
    expect(lock.isImpossible).toBe(true);
    await lock.release();
  });

  it('is refused, with what to say, where its sessions are not what they have to be', async () => {
    const client = new Client({ connectionString: direct.url });
    await client.connect();
    const name = new URL(direct.url).pathname.slice(1);
    await client.query(`alter database ${name} set default_transaction_isolation to 'serializable'`);
    await client.query(`select pg_terminate_backend(pid) from pg_stat_activity
      where datname = '${name}' and pid <> pg_backend_pid()`);
    await client.end();
    await eventually(async () => {
      const other = openDatabase(url, { applicationName: 'test' });
      const refusal = other.ping();
      await expect(refusal).rejects.toThrow(DatabaseRefusal);
      await expect(refusal).rejects.toThrow(/HEARTH_DATABASE_URL.*default_transaction_isolation is serializable/);
      await other.close();
    });
  });
});
