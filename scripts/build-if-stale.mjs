// Builds `dist/` unless it is newer than every source file, so that `npm start` works on a fresh clone
// and costs nothing afterwards.
import './check-node-version.mjs';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const stamp = join(root, 'dist', '.built');

/** Newest modification time in ms of any source file below the given paths. */
function newest(path) {
  if (!existsSync(path)) return 0;
  const info = statSync(path);
  if (!info.isDirectory()) return info.mtimeMs;
  return Math.max(0, ...readdirSync(path).map((name) => newest(join(path, name))));
}

const sources = ['apps', 'libs', 'db', 'bench', 'scripts', 'swc.config.cjs', 'package-lock.json'];
const builtAt = existsSync(stamp) ? statSync(stamp).mtimeMs : 0;
// An image that was built elsewhere ships `dist/` without the sources: nothing to build there.
const stale = existsSync(join(root, 'swc.config.cjs')) && sources.some((s) => newest(join(root, s)) > builtAt);

if (stale) await (await import('./build.mjs')).build();
