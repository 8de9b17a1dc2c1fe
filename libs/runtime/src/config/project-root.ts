import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * The folder of Hearth's `package.json`, with what is not compiled beside it. The sources and the built files lie at
 * different depths below it.
 */
export function projectRoot(from: string = __dirname): string {
  if (existsSync(join(from, 'package.json'))) return from;
  const parent = dirname(from);
  if (parent === from) throw new Error(`no package.json in any folder above ${__dirname}`);
  return projectRoot(parent);
}
