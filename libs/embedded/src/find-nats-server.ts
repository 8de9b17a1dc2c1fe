import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { isSupportedNats, SUPPORTED_NATS } from '@hearth/stream';
import { cacheFolder } from './cache-dir';
import { debianPackage } from './nats-debian';
import { officialRelease } from './nats-release';

const run = promisify(execFile);

export interface FetchContext {
  readonly log: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/** A place nats-server can be had from. */
export interface NatsServerSource {
  readonly name: string;
  /** Fetches it into an empty folder and gives the path of the program. @throws Error saying why not */
  fetchInto(folder: string, context: FetchContext): Promise<string>;
}

export interface FindNatsServerOptions {
  /** Where a fetched one is looked for, and kept in the first that can be written. */
  readonly cacheDirs?: readonly string[];
  readonly log?: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
  /** The program to use, and no other: `HEARTH_NATS_SERVER`. */
  readonly program?: string | undefined;
  /** Folders that may hold an installed one. */
  readonly folders?: readonly string[];
  readonly sources?: readonly NatsServerSource[];
}

// No fetch takes nearly as long.
const abandonedAfterMs = 60 * 60 * 1000;

/**
 * Path of a nats-server that Hearth works with: the one that is named, an installed one, the one fetched before, or one
 * fetched now. Several processes may do this at once: each fetches into a folder of its own and moves the
 * finished program into place.
 *
 * @throws Error listing everything that was tried, why it failed, and what the user can do
 */
export async function findNatsServer(options: FindNatsServerOptions = {}): Promise<string> {
  const { log = () => {}, signal, cacheDirs = [cacheFolder()], program } = options;
  if (program) {
    const problem = await problemWith(program);
    if (problem === undefined) return program;
    throw new Error(`HEARTH_NATS_SERVER is ${program}, and that ${problem}.`);
  }
  const failures: string[] = [];
  for (const folder of [...(options.folders ?? installFolders()), ...cacheDirs]) {
    const path = join(folder, 'nats-server');
    const problem = await problemWith(path);
    if (problem === undefined) return path;
    if (problem !== isAbsent) failures.push(`${path} ${problem}`);
  }
  for (const source of options.sources ?? [officialRelease(), debianPackage('trixie'), debianPackage()]) {
    signal?.throwIfAborted();
    try {
      return await fetchIntoCache(source, cacheDirs, { log, signal });
    } catch (error) {
      signal?.throwIfAborted();
      failures.push(`${source.name}: ${(error as Error).message}`);
    }
  }
  throw new Error(explain(cacheDirs, failures));
}

async function fetchIntoCache(
  source: NatsServerSource,
  cacheDirs: readonly string[],
  context: FetchContext,
): Promise<string> {
  const folder = await workFolder(cacheDirs);
  try {
    const program = await source.fetchInto(folder, context);
    await chmod(program, 0o755);
    const problem = await problemWith(program);
    if (problem !== undefined) throw new Error(`the nats-server from there ${problem}`);
    const cached = join(dirname(folder), 'nats-server');
    await rename(program, cached);
    context.log(`nats-server is now in ${cached}`);
    return cached;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A new folder in the first cache folder that can be written: a service account often has no home of its own. */
async function workFolder(cacheDirs: readonly string[]): Promise<string> {
  let problem: unknown;
  for (const cacheDir of cacheDirs) {
    try {
      await mkdir(cacheDir, { recursive: true });
      await removeAbandoned(cacheDir);
      return await mkdtemp(join(cacheDir, 'fetch-'));
    } catch (error) {
      problem = error;
    }
  }
  throw problem;
}

/** Removes what a fetch left behind that was killed. */
async function removeAbandoned(cacheDir: string): Promise<void> {
  for (const name of await readdir(cacheDir)) {
    const folder = join(cacheDir, name);
    const changedAt = name.startsWith('fetch-') ? (await stat(folder).catch(() => undefined))?.mtimeMs : undefined;
    if (changedAt !== undefined && changedAt < Date.now() - abandonedAfterMs) {
      await rm(folder, { recursive: true, force: true });
    }
  }
}

const isAbsent = 'is not there';

/** What keeps us from using this program, to be read after its name, or `undefined`. */
async function problemWith(program: string): Promise<string | undefined> {
  if (!existsSync(program)) return isAbsent;
  try {
    const version = await natsVersionOf(program);
    return isSupportedNats(version) ? undefined : `is version ${version}, and Hearth needs ${SUPPORTED_NATS}`;
  } catch (error) {
    return (error as Error).message;
  }
}

/** What a program says of its version: `2.10.27`. @throws Error, to be read after its name, when that cannot be had */
export async function natsVersionOf(program: string): Promise<string> {
  const { stdout } = await run(program, ['--version'], { timeout: 10_000 }).catch((error: Error) => {
    throw new Error(`cannot be run: ${error.message.split('\n')[0]}`, { cause: error });
  });
  const version = /v(\d+\.\d+\.\d+\S*)/.exec(stdout)?.[1];
  if (version === undefined) throw new Error(`calls itself "${stdout.trim()}"`);
  return version;
}

/** `PATH`, and the folders of system programs, which an ordinary user's `PATH` leaves out. */
function installFolders(): string[] {
  const path = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  return [...new Set([...path, '/usr/local/sbin', '/usr/sbin'])];
}

function explain(cacheDirs: readonly string[], failures: readonly string[]): string {
  return [
    `Hearth needs nats-server ${SUPPORTED_NATS}, and none could be found or fetched:`,
    `  - none such is installed (PATH), and none was fetched before (${cacheDirs.join(', ')})`,
    ...failures.map((failure) => `  - ${failure}`),
    'Do one of these:',
    '  - install it: "apt-get install nats-server" (Debian 13 or later), "brew install nats-server", or https://github.com/nats-io/nats-server/releases',
    '  - set HEARTH_NATS_SERVER to the path of the program',
    '  - set HEARTH_NATS_URL to a NATS server that runs already, with JetStream on',
  ].join('\n');
}
