import { randomBytes } from 'node:crypto';
import { chmod, link, mkdir, readFile, realpath, rename, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { processIdentity } from './processes';

/**
 * Makes the folder if need be and gives its one true path, whatever links lead to it.
 *
 * @throws Error naming the folder and the variable
 */
export async function openDataDir(dataDir: string): Promise<string> {
  const path = resolve(dataDir);
  const created = await mkdir(path, { recursive: true, mode: 0o700 }).catch((error: unknown) => {
    const { code } = error as NodeJS.ErrnoException;
    throw new Error(`HEARTH_DATA_DIR: the folder ${path} cannot be made (${code})`, { cause: error });
  });
  // Root's Postgres runs as someone else, who has to get through here. Every secret below is a file of mode 0600.
  if (created !== undefined && process.getuid?.() === 0) await chmod(path, 0o711);
  return realpath(path);
}

/**
 * Claims a data folder for this process. Two Hearths on one folder would each stop the other's servers as left behind.
 * A lock whose holder is gone (killed, machine restarted) is taken over.
 *
 * @returns the release
 * @throws Error naming the folder and the process that has it
 */
export async function lockDataDir(dataDir: string): Promise<() => Promise<void>> {
  const file = join(dataDir, 'hearth.lock');
  const content = JSON.stringify({ pid: process.pid, identity: processIdentity(process.pid) });
  const own = `${file}.${process.pid}-${randomBytes(4).toString('hex')}`;
  await writeFile(own, content, { mode: 0o600, flag: 'wx' }).catch((error: unknown) => {
    const why = (error as Error).message;
    throw new Error(`The data folder ${dataDir} cannot be written: ${why}. Set HEARTH_DATA_DIR to another.`, {
      cause: error,
    });
  });
  try {
    while (!(await linkIfAbsent(own, file))) await removeStaleLock(file, dataDir);
  } finally {
    await rm(own, { force: true });
  }
  return async () => {
    if ((await readIfPresent(file)) === content) await rm(file, { force: true });
  };
}

async function removeStaleLock(file: string, dataDir: string): Promise<void> {
  const found = await readIfPresent(file);
  if (found === undefined) return;
  const holder = liveHolder(found);
  if (holder !== undefined) {
    throw new Error(
      `The data folder ${dataDir} is already in use by process ${holder}. Stop it, or set HEARTH_DATA_DIR to another folder.`,
    );
  }
  // Moved aside before it is removed: what was moved may be the new lock of someone quicker, and then goes back.
  const aside = `${file}.${process.pid}-${randomBytes(4).toString('hex')}`;
  try {
    await rename(file, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  if ((await readIfPresent(aside)) !== found) await linkIfAbsent(aside, file);
  await rm(aside, { force: true });
}

/** The number of the process that holds a lock of this content, if it still runs. */
function liveHolder(content: string): number | undefined {
  let lock: unknown;
  try {
    lock = JSON.parse(content);
  } catch {
    return undefined;
  }
  const { pid, identity } = (lock ?? {}) as { pid?: unknown; identity?: unknown };
  if (typeof pid !== 'number' || typeof identity !== 'string') return undefined;
  return processIdentity(pid) === identity ? pid : undefined;
}

/** Gives `existing` the second name `name`, which fails on a taken name: the one atomic test-and-set of a file system. */
async function linkIfAbsent(existing: string, name: string): Promise<boolean> {
  try {
    await link(existing, name);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

async function readIfPresent(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
