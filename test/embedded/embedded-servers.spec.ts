import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { connect, type NatsConnection } from 'nats';
import { Client } from 'pg';
import { startEmbeddedServers } from '@hearth/embedded';
import { processIdentity } from '@hearth/data-dir';
import { commandsNaming } from '../start/hearth-process';
import { eventually } from '../support/eventually';
import { dataDirPrefix } from '../support/servers';

const dataDirs: string[] = [];
const children: ChildProcess[] = [];
const stops: Array<() => Promise<void>> = [];

/** A data folder of this test's own, which the first start makes. */
function newDataDir(): string {
  const dataDir = join(tmpdir(), `${dataDirPrefix}${randomBytes(6).toString('hex')}`);
  dataDirs.push(dataDir);
  return dataDir;
}

async function start(dataDir: string, given: { databaseUrl?: string; natsUrl?: string } = {}) {
  const servers = await startEmbeddedServers({ dataDir, ...given });
  stops.push(() => servers.stop());
  return servers;
}

/** Starts the servers from a process of its own; resolves when they are up. */
async function startElsewhere(dataDir: string) {
  const child = spawn(
    process.execPath,
    ['-r', join(__dirname, '../support/typescript-hook.cjs'), join(__dirname, 'start-servers.ts'), dataDir],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  children.push(child);
  const [line] = await new Promise<string[]>((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', (text) => resolve([text]));
    child.once('exit', () => reject(new Error('the starter ended')));
  });
  return { child, servers: JSON.parse(line ?? '') as { databaseUrl: string; natsUrl: string } };
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

async function endOf(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  child.kill(signal);
  return ended;
}

async function query(url: string, statement: string) {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(statement)).rows;
  } finally {
    await client.end();
  }
}

async function withNats<T>(natsUrl: string, use: (connection: NatsConnection) => Promise<T>): Promise<T> {
  const { host, username, password } = new URL(natsUrl);
  const connection = await connect({ servers: host, user: username, pass: password });
  try {
    return await use(connection);
  } finally {
    await connection.close();
  }
}

async function storeSomething(servers: { databaseUrl: string; natsUrl: string }): Promise<void> {
  await query(servers.databaseUrl, 'create table kept as select 42 as answer');
  await withNats(servers.natsUrl, async (connection) => {
    const manager = await connection.jetstreamManager();
    await manager.streams.add({ name: 'KEPT', subjects: ['kept'] });
    await connection.jetstream().publish('kept', 'forty-two');
  });
}

async function expectItIsThere(servers: { databaseUrl: string; natsUrl: string }): Promise<void> {
  expect(await query(servers.databaseUrl, 'select answer from kept')).toEqual([{ answer: 42 }]);
  await withNats(servers.natsUrl, async (connection) => {
    const manager = await connection.jetstreamManager();
    expect((await manager.streams.getMessage('KEPT', { seq: 1 })).string()).toBe('forty-two');
  });
}

/** The numbers of the two servers' processes. */
async function serverPids(dataDir: string): Promise<number[]> {
  const files = [await clusterPidFile(dataDir), join(dataDir, 'nats/nats-server.pid')];
  return Promise.all(files.map(async (file) => Number.parseInt(await readFile(file, 'utf8'), 10)));
}

async function clusterPidFile(dataDir: string): Promise<string> {
  const { cluster } = JSON.parse(await readFile(join(dataDir, 'postgres.json'), 'utf8'));
  return join(cluster ?? join(dataDir, 'postgres'), 'postmaster.pid');
}

afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
  for (const child of children.splice(0)) if (!hasEnded(child)) await endOf(child, 'SIGTERM');
  for (const dataDir of dataDirs.splice(0)) await rm(dataDir, { recursive: true, force: true });
});

describe('the embedded servers', () => {
  it('continue at the second start where the first stopped, under the same addresses', async () => {
    const dataDir = newDataDir();
    const first = await start(dataDir);
    await storeSomething(first);
    const pids = await serverPids(dataDir);
    await first.stop();
    expect(pids.map(processIdentity)).toEqual([undefined, undefined]);

    const second = await start(dataDir);

    await expectItIsThere(second);
    expect(second.databaseUrl).toBe(first.databaseUrl);
    expect(second.natsUrl).toBe(first.natsUrl);
  });

  it('give Hearth a database that it owns, and no other rights, also on a folder from before that was so', async () => {
    const dataDir = newDataDir();
    const first = await start(dataDir);
    const record = JSON.parse(await readFile(join(dataDir, 'postgres.json'), 'utf8'));
    const superuser = Object.assign(new URL(first.databaseUrl), { username: 'hearth', password: record.password }).href;
    await query(
      superuser,
      `alter database hearth owner to hearth; drop owned by hearth_all_in_one; drop role hearth_all_in_one;
       create type mood as enum ('good'); create view seen as select 1 as one;
       create table kept (answer int, id bigserial, n int generated always as identity) partition by range (answer);
       create table kept_1 partition of kept for values from (0) to (100);
       insert into kept values (42); create sequence loose;
       create function forget() returns void language sql as 'delete from kept'`,
    );
    await first.stop();
    await writeFile(join(dataDir, 'postgres.json'), JSON.stringify({ ...record, ownerPassword: undefined }));

    const { databaseUrl } = await start(dataDir);

    const [rights] = await query(databaseUrl, 'select * from pg_roles where rolname = current_user');
    expect(rights).toMatchObject({ rolsuper: false, rolcreatedb: false, rolcreaterole: false, rolreplication: false });
    await expect(query(databaseUrl, `copy (select 1) to program 'true'`)).rejects.toThrow('permission denied');
    await query(
      databaseUrl,
      `insert into kept values (1); alter table kept add more text; alter type mood add value 'bad'; drop sequence loose;
       drop view seen; select forget(); drop function forget; drop table kept; create schema more`,
    );
  });

  it('start again after Hearth was killed, and the ones it left are gone', async () => {
    const dataDir = newDataDir();
    const { child, servers } = await startElsewhere(dataDir);
    await storeSomething(servers);
    const orphans = await serverPids(dataDir);
    await endOf(child, 'SIGKILL');
    expect(orphans.map(processIdentity)).not.toContain(undefined);

    const next = await start(dataDir);

    expect(orphans.map(processIdentity)).toEqual([undefined, undefined]);
    await expectItIsThere(next);
  });

  it('start again after everything was killed', async () => {
    const dataDir = newDataDir();
    const { child, servers } = await startElsewhere(dataDir);
    await storeSomething(servers);
    const pids = await serverPids(dataDir);
    await endOf(child, 'SIGKILL');
    for (const pid of pids) process.kill(pid, 'SIGKILL');
    await eventually(() => expect(pids.map(processIdentity)).toEqual([undefined, undefined]));

    await expectItIsThere(await start(dataDir));
  });

  it.each(['SIGTERM', 'SIGINT'] as const)('are stopped by %s to Hearth', async (signal) => {
    const dataDir = newDataDir();
    const { child } = await startElsewhere(dataDir);
    const pids = await serverPids(dataDir);

    expect(await endOf(child, signal)).toBe(0);

    expect(pids.map(processIdentity)).toEqual([undefined, undefined]);
  });

  it('are refused a data folder that another Hearth has, by the number of its process', async () => {
    const dataDir = newDataDir();
    const { child, servers } = await startElsewhere(dataDir);

    await expect(startEmbeddedServers({ dataDir })).rejects.toThrow(`already in use by process ${child.pid}`);

    expect(await query(servers.databaseUrl, 'select 1 as one')).toEqual([{ one: 1 }]);
  });

  it('take over the lock of a process whose number someone else has now', async () => {
    const dataDir = newDataDir();
    await (await start(dataDir, { databaseUrl: 'postgres://given', natsUrl: 'nats://given' })).stop();
    const lock = { pid: process.ppid, identity: 'another start of the machine' };
    await writeFile(join(dataDir, 'hearth.lock'), JSON.stringify(lock));

    await start(dataDir, { databaseUrl: 'postgres://given', natsUrl: 'nats://given' });

    expect(JSON.parse(await readFile(join(dataDir, 'hearth.lock'), 'utf8'))).toMatchObject({ pid: process.pid });
  });

  it('are not started where the user has given addresses', async () => {
    const dataDir = newDataDir();
    const servers = await start(dataDir, { databaseUrl: 'postgres://given', natsUrl: 'nats://given' });

    expect(servers).toMatchObject({ databaseUrl: 'postgres://given', natsUrl: 'nats://given' });
    await expect(stat(join(dataDir, 'postgres.json'))).rejects.toThrow('ENOENT');
    await expect(stat(join(dataDir, 'nats'))).rejects.toThrow('ENOENT');
  });

  it('keep their passwords in files only their owner can read, and let nobody in without', async () => {
    const dataDir = newDataDir();
    const servers = await start(dataDir);

    for (const file of ['postgres.json', 'nats/nats.json', 'nats/nats-server.conf']) {
      expect((await stat(join(dataDir, file))).mode & 0o777).toBe(0o600);
    }
    await expect(connect({ servers: new URL(servers.natsUrl).host, reconnect: false })).rejects.toThrow();
    const stranger = new URL(servers.databaseUrl);
    stranger.password = 'guessed';
    await expect(query(stranger.href, 'select 1')).rejects.toThrow('password authentication failed');
  });

  it('do not stay when one of them does not start', async () => {
    const dataDir = newDataDir();
    // Where the number of its process belongs, so that the start fails when the process is there.
    await mkdir(join(dataDir, 'nats/nats-server.pid'), { recursive: true });

    await expect(startEmbeddedServers({ dataDir })).rejects.toThrow('nats-server did not start: EISDIR');

    expect(await commandsNaming(dataDir)).toEqual([]);
  });

  it('are stopped while one of them is being started again', async () => {
    const dataDir = newDataDir();
    const servers = await start(dataDir);
    const [postmaster = 0] = await serverPids(dataDir);
    process.kill(postmaster, 'SIGKILL');
    await eventually(async () => {
      const [next] = await serverPids(dataDir);
      expect(next).not.toBe(postmaster);
    });

    await servers.stop();

    expect(await commandsNaming(dataDir)).toEqual([]);
  });
});
