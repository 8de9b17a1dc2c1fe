import { readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { cacheFolder } from '../../libs/embedded/src/cache-dir';
import { lockDataDir } from '@hearth/data-dir';
import { findNatsServer } from '../../libs/embedded/src/find-nats-server';
import { leftOverNats } from '../../libs/embedded/src/embedded-nats';
import { leftOverPostgres } from '../../libs/embedded/src/embedded-postgres';
import { stopLeftOver } from '../../libs/embedded/src/server-start';
import { runPrefix, TestPostgres } from './postgres';

/** Of the data folders that spec files make in the system's folder for temporary files. */
export const dataDirPrefix = 'hearth-test-data-';

/** Starts one Postgres for a whole test run and tells its address in `HEARTH_TEST_DATABASE_URL`, unless that is set. */
export async function startTestPostgres(): Promise<() => Promise<void>> {
  if (process.env.HEARTH_TEST_DATABASE_URL) return async () => {};
  await removeLeftOvers();
  const postgres = await TestPostgres.start();
  await forgetDurability(postgres.url);
  process.env.HEARTH_TEST_DATABASE_URL = postgres.url;
  return async () => {
    delete process.env.HEARTH_TEST_DATABASE_URL;
    await postgres.stop();
  };
}

/** Finds nats-server, or fetches it once, and tells its path in `HEARTH_TEST_NATS_SERVER`, unless that is set. */
export async function findTestNatsServer(): Promise<void> {
  process.env.HEARTH_TEST_NATS_SERVER ??= await findNatsServer({
    program: process.env.HEARTH_NATS_SERVER,
    cacheDirs: [cacheFolder(process.env.HEARTH_CACHE_DIR)],
    log: (line) => process.stderr.write(`${line}\n`),
  });
}

/** Tests make hundreds of databases, and none of them has to outlive a power cut. */
async function forgetDurability(url: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    for (const name of ['fsync', 'full_page_writes']) await client.query(`alter system set ${name} = off`);
    await client.query('select pg_reload_conf()');
  } finally {
    await client.end();
  }
}

/** What a killed test run left behind goes, its servers included. */
async function removeLeftOvers(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const dataDir = join(tmpdir(), name);
    const isTestFolder = name.startsWith(runPrefix) || name.startsWith(dataDirPrefix);
    if (!isTestFolder) continue;
    try {
      if ((await stat(dataDir)).uid !== process.getuid?.()) continue;
      await lockDataDir(dataDir);
    } catch {
      continue; // Another run has it, or has just removed it.
    }
    await stopLeftOver(leftOverNats(join(dataDir, 'nats')), () => {});
    await stopLeftOver(leftOverPostgres(join(dataDir, 'postgres')), () => {});
    await rm(dataDir, { recursive: true, force: true });
  }
}
