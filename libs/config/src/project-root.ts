import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * The folder with `db/migrations`. SQL is not compiled, so it lies beside the sources: below the same root for the code
 * in `dist/` as for the code under `libs/`.
 */
export function projectRoot(from: string = __dirname): string {
  if (existsSync(join(from, 'db', 'migrations'))) return from;
  const parent = dirname(from);
  if (parent === from) throw new Error(`no folder db/migrations in any folder above ${__dirname}`);
  return projectRoot(parent);
}
