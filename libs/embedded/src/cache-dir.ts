import { homedir } from 'node:os';
import { join } from 'node:path';

/**
 * Where what is fetched once is kept: the folder that is given (`HEARTH_CACHE_DIR`), else the one the system has for
 * such things. Everything in it can be deleted at any time.
 */
export function cacheFolder(given?: string): string {
  if (given !== undefined) return given;
  if (process.env.XDG_CACHE_HOME) return join(process.env.XDG_CACHE_HOME, 'hearth');
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Caches', 'hearth');
  return join(homedir(), '.cache', 'hearth');
}
