import { randomBytes } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { projectRoot } from '@hearth/config';
import { migrate, withConnection } from '@hearth/store';
import { startEmbeddedPostgres } from '@hearth/embedded';
import { describeSchema } from './describe-schema';
import { describeTables } from './describe-tables';
import { createScratchDatabase } from './scratch-database';

const MADE_BY = 'Made by `npm run db:dump` from db/migrations, where the comments are. Do not edit.';

/** Files by their path in the project, with their content. */
type Files = Readonly<Record<string, string>>;

/**
 * `npm run db:dump` writes what all migrations together make: `db/schema.sql`, so that a review sees their effect and a
 * reader one page instead of a history, and `libs/store/src/tables.ts`, so that the compiler knows every column. With
 * `--check` it only says whether they are current.
 */
async function main(): Promise<void> {
  const isCheck = process.argv.includes('--check');
  for (const [path, content] of Object.entries(await withServer(filesOfFreshDatabase))) {
    const file = join(projectRoot(), path);
    if (!isCheck) await writeFile(file, content);
    const line = firstDifference(await readFile(file, 'utf8').catch(() => ''), content);
    if (line === undefined) continue;
    throw new Error(`${path} is stale from line ${line} on: run npm run db:dump and commit it`);
  }
}

/** Runs `fn` with the server of `HEARTH_DATABASE_URL`, in which it makes a database of its own, or an embedded one. */
async function withServer<T>(fn: (serverUrl: string) => Promise<T>): Promise<T> {
  const given = process.env.HEARTH_DATABASE_URL;
  if (given) return fn(given);
  const dataDir = join(tmpdir(), `hearth-dump-${randomBytes(6).toString('hex')}`);
  try {
    const server = await startEmbeddedPostgres({ dataDir });
    try {
      return await fn(server.superuserUrl);
    } finally {
      await server.stop();
    }
  } finally {
    await rm(dataDir, { recursive: true, force: true });
  }
}

async function filesOfFreshDatabase(serverUrl: string): Promise<Files> {
  const database = await createScratchDatabase(serverUrl, 'hearth_dump');
  try {
    await migrate(database.url);
    return await withConnection(database.url, 'hearth dump', async (client) => ({
      'db/schema.sql': `-- ${MADE_BY}\n\n${await describeSchema(client)}`,
      'libs/store/src/tables.ts': `// ${MADE_BY}\n\n${await describeTables(client)}`,
    }));
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
