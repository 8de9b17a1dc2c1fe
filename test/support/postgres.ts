import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lockDataDir, openDataDir } from '@hearth/data-dir';
import { startEmbeddedPostgres } from '@hearth/embedded';
import { freePort } from './free-port';
import { pauseProcess, resumeProcess } from './pause-process';

/** Of the data folders, by which the next test run clears away what a killed one left. */
export const runPrefix = 'hearth-test-run-';

/** A Postgres server of its own in a folder for temporary files. */
export class TestPostgres {
  private readonly frozen: number[] = [];

  private constructor(
    private readonly dataDir: string,
    private readonly unlock: () => Promise<void>,
    private server: Awaited<ReturnType<typeof startEmbeddedPostgres>>,
  ) {}

  static async start(): Promise<TestPostgres> {
    const dataDir = await openDataDir(join(tmpdir(), `${runPrefix}${randomBytes(6).toString('hex')}`));
    const unlock = await lockDataDir(dataDir);
    return new TestPostgres(dataDir, unlock, await startEmbeddedPostgres({ dataDir, port: await freePort() }));
  }

  /** `postgres://` URL of an empty database, as superuser. */
  get url(): string {
    return this.server.superuserUrl;
  }

  /** Ends all its processes at once, with nothing written that was not on disk. */
  async kill(): Promise<void> {
    process.kill(await this.postmaster(), 'SIGQUIT');
    await this.server.ended;
  }

  /** Starts it again after `kill`, at the same URL. */
  async restart(): Promise<void> {
    this.server = await startEmbeddedPostgres({ dataDir: this.dataDir, port: Number(new URL(this.url).port) });
  }

  /** It neither answers nor closes a connection any more, as if its machine had been paused. */
  async freeze(): Promise<void> {
    const postmaster = await this.postmaster();
    await this.pause(postmaster);
    // It starts no others now, and those that end meanwhile keep their ids: nobody takes note of it.
    for (const pid of childrenOf(postmaster)) await this.pause(pid);
  }

  /** Goes on after `freeze`, with what has been sent to it meanwhile. */
  thaw(): void {
    // The one that takes note of those that have ended comes last.
    for (const pid of this.frozen.splice(0).reverse()) resumeProcess(pid);
  }

  /** Ends it and deletes its folder. */
  async stop(): Promise<void> {
    this.thaw();
    await this.server.stop();
    await this.unlock();
    await rm(this.dataDir, { recursive: true, force: true });
  }

  private async pause(pid: number): Promise<void> {
    this.frozen.push(pid);
    await pauseProcess(pid);
  }

  /** The process that starts all others. */
  private async postmaster(): Promise<number> {
    return Number.parseInt(await readFile(join(this.dataDir, 'postgres', 'postmaster.pid'), 'utf8'), 10);
  }
}

function childrenOf(parent: number): number[] {
  const processes = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' }).trim().split('\n');
  const ids = processes.map((line) => line.trim().split(/\s+/).map(Number));
  return ids.flatMap(([pid, ppid]) => (pid !== undefined && ppid === parent ? [pid] : []));
}
