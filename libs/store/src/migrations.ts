import { sql } from 'kysely';
import type { ClientBase } from 'pg';
import { readMigrations, type Migration } from './migration-files';
import { DatabaseRefusal } from './refusal';
import { withSession } from './single-connection';
import type { Db } from './db';

/** The schema cannot be used by this version of the code. The message says why. */
export class SchemaError extends DatabaseRefusal {
  override readonly name = 'SchemaError';
}

export interface MigrateOptions {
  /** Told each migration that was applied, once all of them are committed. */
  readonly onApplied?: (name: string) => void;
  /** The steps of this version; those in `db/migrations` by default. */
  readonly migrations?: readonly Migration[];
}

interface Applied {
  readonly version: number;
  readonly name: string;
}

/** Of no meaning but to be ours: 'hearth' in ASCII. Advisory locks are per database. */
const LOCK_KEY = '114784635876456';

/**
 * Brings the database at `url` to this version's schema, forward only, all pending steps in one transaction. Any number
 * of nodes may start at once: one works, the others wait and find nothing to do.
 *
 * @throws SchemaError when the schema is newer than this version, or is not one of its earlier states
 * @throws as `prepareSession`
 */
export async function migrate(url: string, options: MigrateOptions = {}): Promise<void> {
  const migrations = options.migrations ?? readMigrations();
  const pending = await withSession(url, 'hearth migrate', async (client) => {
    await client.query('begin');
    await client.query('select pg_advisory_xact_lock($1)', [LOCK_KEY]);
    const steps = pendingMigrations(await readApplied(client), migrations);
    for (const migration of steps) await apply(client, migration);
    await client.query('commit');
    return steps;
  });
  for (const { name } of pending) options.onApplied?.(name);
}

/**
 * Throws `SchemaError` unless the database has exactly this version's schema: for the start and the readiness of a
 * service that does not migrate by itself.
 */
export async function assertSchemaIsCurrent(db: Db): Promise<void> {
  const { table } = await db
    .selectNoFrom(sql<string | null>`to_regclass('schema_migration')`.as('table'))
    .executeTakeFirstOrThrow();
  const applied =
    table === null
      ? []
      : await db.selectFrom('schema_migration').select(['version', 'name']).orderBy('version').execute();
  const pending = pendingMigrations(applied, readMigrations());
  if (pending.length > 0) {
    throw new SchemaError(`the database lacks ${pending.map(({ name }) => name).join(', ')}: run npm run db:migrate`);
  }
}

/**
 * What has been applied. The table is made here, so "nothing applied" is only ever the answer of a query that worked:
 * every failure to read throws and is not mistaken for an empty database.
 */
async function readApplied(client: ClientBase): Promise<Applied[]> {
  await client.query(
    `create table if not exists schema_migration (
       version integer primary key,
       name text not null,
       applied_at timestamptz not null default now()
     )`,
  );
  return (await client.query<Applied>('select version, name from schema_migration order by version')).rows;
}

/** The steps still to be applied; those applied must be the first ones of ours. */
function pendingMigrations(applied: readonly Applied[], migrations: readonly Migration[]): readonly Migration[] {
  const newest = applied.at(-1);
  if (newest !== undefined && newest.version > migrations.length) {
    throw new SchemaError(
      `the database schema is at version ${newest.version} (${newest.name}), newer than this program, ` +
        `which knows ${migrations.length}: start a newer Hearth`,
    );
  }
  applied.forEach(({ version, name }, index) => {
    const ours = migrations[index];
    if (ours?.version !== version || ours.name !== name) {
      throw new SchemaError(`the database has migration ${version} (${name}) where this program has ${ours?.name}`);
    }
  });
  return migrations.slice(applied.length);
}

async function apply(client: ClientBase, migration: Migration): Promise<void> {
  try {
    await client.query(migration.sql);
  } catch (cause) {
    throw new Error(`migration ${migration.name} failed: ${(cause as Error).message}`, { cause });
  }
  await client.query('insert into schema_migration (version, name) values ($1, $2)', [
    migration.version,
    migration.name,
  ]);
}
