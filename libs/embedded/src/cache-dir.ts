import { homedir } from 'node:os';
import { join } from 'node:path';

/**
 * Where what is fetched once is kept: `HEARTH_CACHE_DIR`, else the folder the system has for such things.
 * Everything in it can be deleted at any time.
 */
export function defaultCacheDir(env: NodeJS.ProcessEnv = process.env): string {
  if (env.HEARTH_CACHE_DIR) return env.HEARTH_CACHE_DIR;
  if (env.XDG_CACHE_HOME) return join(env.XDG_CACHE_HOME, 'hearth');
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Caches', 'hearth');
  return join(homedir(), '.cache', 'hearth');
}
