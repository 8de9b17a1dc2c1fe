import { randomBytes } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrate, projectRoot } from '@hearth/store';
import { Client } from 'pg';
import { startEmbeddedPostgres } from '@hearth/embedded';
import { describeSchema } from './describe-schema';
import { createScratchDatabase } from './scratch-database';

/**
 * `npm run db:dump` writes `db/schema.sql`, what all migrations together make, so that a review sees their effect and a
 * reader one page instead of a history. With `--check` it only says whether that file is current.
 */
async function main(): Promise<void> {
  const file = join(projectRoot(), 'db', 'schema.sql');
  const header = '-- Made by `npm run db:dump` from db/migrations, where the comments are. Do not edit.\n\n';
  const current = header + (await withServer(schemaOfFreshDatabase));
  if (!process.argv.includes('--check')) return writeFile(file, current);
  const line = firstDifference(await readFile(file, 'utf8').catch(() => ''), current);
  if (line === undefined) return;
  throw new Error(`db/schema.sql is stale from line ${line} on: run npm run db:dump and commit it`);
}

/** Runs `fn` with the server of `HEARTH_DATABASE_URL`, in which it makes a database of its own, or an embedded one. */
async function withServer<T>(fn: (serverUrl: string) => Promise<T>): Promise<T> {
  const given = process.env.HEARTH_DATABASE_URL;
  if (given) return fn(given);
  const dataDir = join(tmpdir(), `hearth-dump-${randomBytes(6).toString('hex')}`);
  try {
    const server = await startEmbeddedPostgres({ dataDir });
    try {
      return await fn(server.url);
    } finally {
      await server.stop();
    }
  } finally {
    await rm(dataDir, { recursive: true, force: true });
  }
}

async function schemaOfFreshDatabase(serverUrl: string): Promise<string> {
  const database = await createScratchDatabase(serverUrl, 'hearth_dump');
  try {
    await migrate(database.url);
    const client = new Client({ connectionString: database.url });
    await client.connect();
    try {
      return await describeSchema(client);
    } finally {
      await client.end();
    }
  } finally {
    await database.drop();
  }
}

/** Number of the first line that differs, from 1; `undefined` when none does. */
function firstDifference(before: string, after: string): number | undefined {
  if (before === after) return undefined;
  const lines = before.split('\n');
  return after.split('\n').findIndex((line, index) => line !== lines[index]) + 1 || lines.length;
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
