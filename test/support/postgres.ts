import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { lockDataDir, openDataDir } from '@hearth/data-dir';
import { startEmbeddedPostgres } from '@hearth/embedded';
import { freePort } from './free-port';
import { pauseProcess, resumeProcess } from './pause-process';

/** Of the data folders, by which the next test run clears away what a killed one left. */
export const runPrefix = 'hearth-test-run-';

/** A Postgres server of its own in a folder for temporary files. */
export class TestPostgres {
  private frozen: readonly number[] = [];

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
    const [postmaster] = await this.processes();
    process.kill(postmaster, 'SIGQUIT');
    await this.server.ended;
  }

  /** Starts it again after `kill`, at the same URL. */
  async restart(): Promise<void> {
    this.server = await startEmbeddedPostgres({ dataDir: this.dataDir, port: Number(new URL(this.url).port) });
  }

  /** It neither answers nor closes a connection any more, as if its machine had been paused. */
  async freeze(): Promise<void> {
    this.frozen = await this.processes();
    for (const pid of this.frozen) await pauseProcess(pid);
  }

  /** Goes on after `freeze`, with what has been sent to it meanwhile. */
  thaw(): void {
    for (const pid of this.frozen) resumeProcess(pid);
    this.frozen = [];
  }

  /** Ends it and deletes its folder. */
  async stop(): Promise<void> {
    this.thaw();
    await this.server.stop();
    await this.unlock();
    await rm(this.dataDir, { recursive: true, force: true });
  }

  /** The one that starts the others, then all others. */
  private async processes(): Promise<[number, ...number[]]> {
    const client = new Client({ connectionString: this.url });
    await client.connect();
    try {
      const { rows } = await client.query<{ postmaster: number; others: number[] }>(
        `select split_part(pg_read_file('postmaster.pid'), e'\\n', 1)::int4 as postmaster,
                array(select pid from pg_stat_activity where pid <> pg_backend_pid()) as others`,
      );
      const [{ postmaster, others } = { postmaster: 0, others: [] }] = rows;
      return [postmaster, ...others];
    } finally {
      await client.end();
    }
  }
}
