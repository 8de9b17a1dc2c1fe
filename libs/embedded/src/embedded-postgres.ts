import { type StopStep, lockDataDir, openDataDir, readPrivateJson, writePrivateJson } from '@hearth/data-dir';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, chown, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { ensureDatabase, isWrongPassword } from '@hearth/store';
import { z } from 'zod';
import { cacheFolder } from './cache-dir';
import { freePort } from './free-port';
import { accountForPostgres, canEnter } from './postgres-account';
import { preparePostgresBinaries, type PostgresBinaries } from './postgres-binaries';
import { identityOf, serverEnvironment, type Account } from './server-process';
import { startServer, stopLeftOver, type LeftOver } from './server-start';
import type { RunningServer, StartOptions } from './supervised-server';

interface Cluster {
  readonly folder: string;
  readonly account: Account | undefined;
  readonly password: string;
  readonly ownerPassword: string;
  /** Set when the folder is outside the data folder and so has a lock of its own. */
  readonly unlock?: () => Promise<void>;
}

/** The superuser, whom nobody needs but we, to make the other one. */
const superuser = 'hearth';
/** Who owns the database, and all that Hearth is there. */
const owner = 'hearth_all_in_one';
const database = 'hearth';
const rootsPlace = '/var/lib/hearth';
const rootsCache = '/var/cache/hearth';

// "Fast" cancels what runs and writes a checkpoint, "immediate" leaves the replay to the next start.
const stopSteps: readonly StopStep[] = [
  { signal: 'SIGINT', waitMs: 20_000 },
  { signal: 'SIGQUIT', waitMs: 5_000 },
  { signal: 'SIGKILL', waitMs: 5_000 },
];

const RECORD_FILE = 'postgres.json';
const settingsFile = z.object({
  password: z.string().min(1),
  /** Absent in what older ones wrote. */
  ownerPassword: z.string().min(1).optional(),
  port: z.number().int().optional(),
  cluster: z.string().optional(),
});
type Settings = z.infer<typeof settingsFile>;

/**
 * Starts the Postgres of the all-in-one on a data folder, whose lock the caller holds; the first start makes the cluster.
 * The folder has `postgres/` (the cluster), `postgres.json` (its passwords, last port and, where the cluster had to live
 * elsewhere, that place) and `postgres.log`. It listens on 127.0.0.1 only, with a password, because other users of the
 * machine reach 127.0.0.1 too.
 *
 * @param options.cacheDir where a copy of its programs may be kept, `HEARTH_CACHE_DIR`; the user's cache folder when not given
 * @returns with the URL of the database `hearth` as its owner, and as the superuser of the server
 * @throws Error that says what to do when it cannot be started
 */
export async function startEmbeddedPostgres(
  options: StartOptions & { readonly cacheDir?: string | undefined },
): Promise<RunningServer & { readonly superuserUrl: string }> {
  const { dataDir, log = () => {}, signal } = options;
  const home = await openDataDir(dataDir);
  const recordFile = join(home, RECORD_FILE);
  const record = await readRecord(home);
  const cluster = await openCluster(home, record, log);
  try {
    const binaries = await preparePostgresBinaries(cluster.account, cacheDirs(home, options.cacheDir), log);
    const { password, ownerPassword } = cluster;
    const settings: Settings = { ...record, password, ownerPassword };
    if (cluster.unlock !== undefined) settings.cluster = cluster.folder;
    await writePrivateJson(recordFile, settings);
    await stopLeftOver(leftOverPostgres(cluster.folder), log);
    await createCluster(cluster, binaries, log);
    const { server, port } = await startServer({
      name: 'Postgres',
      command: async (port) => ({
        command: binaries.postgres,
        args: serverArguments(cluster.folder, port),
        logFile: join(home, 'postgres.log'),
        account: cluster.account,
        stopSteps,
      }),
      choosePort: async () => options.port ?? (await freePort(record?.port)),
      check: (port) =>
        ensureDatabase((name) => superuserUrl(password, port, name), database, {
          name: owner,
          password: ownerPassword,
        }),
      isFatal: isWrongPassword,
      // Somebody took the port in the meantime, or backends of a killed server have not noticed its end yet.
      passing: /could not bind|pre-existing shared memory block/,
      onReady: (port) => writePrivateJson(recordFile, { ...settings, port }),
      signal,
    });
    return {
      url: urlOf(owner, ownerPassword, port, database),
      superuserUrl: superuserUrl(password, port, database),
      ended: server.ended,
      stop: async () => {
        await server.stop();
        await cluster.unlock?.();
      },
    };
  } catch (error) {
    await cluster.unlock?.();
    throw error;
  }
}

/** Where the server of a data folder listens, or did last; undefined where none ever ran. */
export async function lastPostgresUrl(dataDir: string): Promise<string | undefined> {
  const record = await readRecord(dataDir);
  if (record?.port === undefined) return undefined;
  const { password, ownerPassword, port } = record;
  return ownerPassword === undefined
    ? superuserUrl(password, port, database)
    : urlOf(owner, ownerPassword, port, database);
}

function readRecord(home: string): Promise<Settings | undefined> {
  return readPrivateJson(join(home, RECORD_FILE), (content) => settingsFile.parse(content));
}

/** Decides where the cluster is and who runs it. */
async function openCluster(home: string, record: Settings | undefined, log: (line: string) => void): Promise<Cluster> {
  const passwords = {
    password: record?.password ?? newPassword(),
    ownerPassword: record?.ownerPassword ?? newPassword(),
  };
  const inside = join(home, 'postgres');
  const account = await accountForPostgres(record?.cluster ?? inside);
  if (record === undefined && existsSync(inside)) {
    throw new Error(`${join(home, RECORD_FILE)} is gone, and with it the password of the database in ${inside}.`);
  }
  if (record?.cluster === undefined) {
    if (account === undefined || (await canEnter(account, home))) return { folder: inside, account, ...passwords };
    if (existsSync(inside)) {
      throw new Error(
        `${account.name}, whose database is in ${inside}, cannot enter ${home}. ` +
          'Let others pass through that folder and the ones above it (chmod o+x).',
      );
    }
  }
  const folder = record?.cluster ?? join(rootsPlace, randomBytes(6).toString('hex'), 'postgres');
  if (account === undefined) {
    throw new Error(
      `The database of ${home} was made by root, in ${folder}. Start Hearth as root, or use another HEARTH_DATA_DIR.`,
    );
  }
  if (record === undefined) {
    log(`${account.name}, who runs Postgres for root, cannot enter ${home}: its data is kept in ${folder}`);
  }
  const place = dirname(folder);
  await mkdir(place, { recursive: true });
  for (const path of [rootsPlace, place]) await chmod(path, 0o711);
  return { folder, account, ...passwords, unlock: await lockDataDir(place) };
}

/** What to know of a server on this cluster that outlived a killed Hearth. */
export function leftOverPostgres(folder: string): LeftOver {
  return { name: 'Postgres', pidFile: join(folder, 'postmaster.pid'), argument: folder, stopSteps };
}

/** Makes the cluster in a folder beside its place and moves it there when it is whole. */
async function createCluster(cluster: Cluster, binaries: PostgresBinaries, log: (line: string) => void): Promise<void> {
  const { folder, account, password } = cluster;
  if (existsSync(folder)) return checkVersion(folder, binaries);
  log('creating the database');
  const fresh = `${folder}.new`;
  const passwordFile = `${folder}.password`;
  await rm(fresh, { recursive: true, force: true });
  await rm(passwordFile, { force: true });
  await mkdir(fresh, { mode: 0o700 });
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600, flag: 'wx' });
  try {
    if (account !== undefined) {
      for (const path of [fresh, passwordFile]) await chown(path, account.uid, account.gid);
    }
    const args = [`--pgdata=${fresh}`, `--username=${superuser}`, `--pwfile=${passwordFile}`, '--auth=scram-sha-256'];
    await promisify(execFile)(binaries.initdb, [...args, '--encoding=UTF8', '--locale=C', '--no-instructions'], {
      cwd: '/',
      env: serverEnvironment(),
      ...identityOf(account),
    });
    await rename(fresh, folder);
  } finally {
    await rm(passwordFile, { force: true });
  }
}

async function checkVersion(folder: string, { majorVersion }: PostgresBinaries): Promise<void> {
  let found: string;
  try {
    found = (await readFile(join(folder, 'PG_VERSION'), 'utf8')).trim();
  } catch (error) {
    throw new Error(`The database in ${folder} cannot be opened: ${(error as Error).message}`, { cause: error });
  }
  if (found === majorVersion) return;
  throw new Error(
    `The database in ${folder} was made by Postgres ${found}, and this Hearth comes with ${majorVersion}. ` +
      'Dump it with the Hearth that made it (pg_dump), and load it into a new data folder.',
  );
}

function serverArguments(folder: string, port: number): string[] {
  // fsync and synchronous_commit are on unless someone says otherwise with `alter system`, which our tests do.
  const settings = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    // The path of a socket would have to be short and its folder writable, and nothing here needs one.
    unix_socket_directories: '',
    max_connections: '100',
    shared_buffers: '128MB',
    timezone: 'UTC',
    log_timezone: 'UTC',
    // Compiling a statement takes longer than any of ours runs.
    jit: 'off',
    // A refused statement is the caller's to report; its text and values are users' data and stay out of this file.
    log_min_messages: 'log',
    log_min_error_statement: 'panic',
    log_checkpoints: 'off',
  };
  return ['-D', folder, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])];
}

function newPassword(): string {
  return randomBytes(24).toString('hex');
}

function superuserUrl(password: string, port: number, name: string): string {
  return urlOf(superuser, password, port, name);
}

function urlOf(user: string, password: string, port: number, name: string): string {
  return `postgres://${user}:${password}@127.0.0.1:${port}/${name}`;
}

function cacheDirs(home: string, given: string | undefined): string[] {
  if (process.getuid?.() !== 0) return [cacheFolder(given), join(home, 'cache')];
  // Root's own cache is below a folder nobody else may enter.
  return given === undefined ? [rootsCache] : [given, rootsCache];
}
