import { randomBytes } from 'node:crypto';
import { open, readFile, rename, rm } from 'node:fs/promises';

/**
 * Writes a file only its owner can read (mode 0600), whole or not at all: a crash leaves the old content or the new.
 */
export async function writePrivateFile(path: string, content: string): Promise<void> {
  const temporary = `${path}.${process.pid}-${randomBytes(4).toString('hex')}`;
  try {
    const file = await open(temporary, 'wx', 0o600);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** As `writePrivateFile`, a JSON file that `readPrivateJson` reads. */
export function writePrivateJson(path: string, content: object): Promise<void> {
  return writePrivateFile(path, `${JSON.stringify(content, null, 2)}\n`);
}

/**
 * Reads a JSON file that an earlier start wrote.
 *
 * @returns its content after `parse`, or `undefined` when there is no such file
 * @throws Error naming the file, when it is not what `parse` accepts or cannot be read
 */
export async function readPrivateJson<T>(path: string, parse: (content: unknown) => T): Promise<T | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    if (code === 'EACCES') {
      throw new Error(
        `${path} belongs to another user. Start Hearth as that user, or take over the folder (chown -R).`,
      );
    }
    throw new Error(`${path} cannot be read: ${(error as Error).message}`, { cause: error });
  }
  try {
    return parse(JSON.parse(text));
  } catch (error) {
    // The parser's message would quote what it choked on, and that is a secret.
    throw new Error(`${path} is damaged. Restore it from a backup, or remove it to have a new one made.`, {
      cause: error instanceof SyntaxError ? undefined : error,
    });
  }
}
