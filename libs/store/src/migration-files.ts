import { projectRoot } from '@hearth/config';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** One numbered step of the schema: `db/migrations/0001_message_log.sql`. */
export interface Migration {
  readonly version: number;
  /** File name. */
  readonly name: string;
  readonly sql: string;
}

/**
 * Reads all migrations in order. Versions count 1, 2, 3…: a missing or doubled number is a mistake made when two
 * branches met, and throws.
 */
export function readMigrations(folder: string = join(projectRoot(), 'db', 'migrations')): Migration[] {
  const names = readdirSync(folder)
    .filter((name) => name.endsWith('.sql'))
    .sort();
  return names.map((name, index) => {
    const version = Number(/^(\d{4})_[a-z0-9_]+\.sql$/.exec(name)?.[1]);
    if (version !== index + 1) throw new Error(`migration ${name} should be number ${index + 1}`);
    return { version, name, sql: readFileSync(join(folder, name), 'utf8') };
  });
}
