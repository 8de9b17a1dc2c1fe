import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { mkdir, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const MIB = 1_048_576;
const FILLER = 'filler';

/** A small file system in memory, which can be full. */
export class SmallDisk {
  private constructor(readonly folder: string) {}

  /** @param folder where it is mounted; made if it is not there */
  static async mount(folder: string, mebibytes: number): Promise<SmallDisk> {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await run('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m,mode=700`, 'tmpfs', folder]);
    return new SmallDisk(folder);
  }

  /** Takes all the room that is left. */
  async fill(): Promise<void> {
    const file = await open(join(this.folder, FILLER), 'a');
    try {
      for (let size = MIB; size > 0;) {
        const isFull = await file.appendFile(Buffer.alloc(size)).then(
          () => false,
          (error: unknown) => {
            if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
            return true;
          },
        );
        if (isFull) size = Math.floor(size / 2);
      }
    } finally {
      await file.close();
    }
  }

  /** Gives it back. */
  async makeRoom(): Promise<void> {
    await rm(join(this.folder, FILLER));
  }

  async unmount(): Promise<void> {
    await run('umount', ['--lazy', this.folder]);
  }
}

/** `it` where file systems may be mounted, which takes root; skipped where not. */
export const itOnSmallDisks = mayMount() ? it : it.skip;

function mayMount(): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'hearth-test-mount-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', folder], { stdio: 'ignore' });
    execFileSync('umount', [folder]);
    return true;
  } catch {
    process.stderr.write('no file system may be mounted here: what happens on a full disk is not tested\n');
    return false;
  } finally {
    rmdirSync(folder);
  }
}
