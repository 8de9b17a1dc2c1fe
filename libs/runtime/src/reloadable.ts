import { every } from '@hearth/timing';
import { statSync } from 'node:fs';
import { ConfigError, type HearthConfig, type ReloadableValues } from '@hearth/config';
import type { Logger } from './log/logger';

/** Changed key files must be in force within 60 s (publish-api §2); half of it leaves room for a busy process. */
const POLL_MS = 30_000;

export interface SecretsWatch {
  /** Reads everything again at once (SIGHUP). */
  reload(): void;
  /** Reads everything again if a file has changed since the last look; the timer calls it. */
  poll(): void;
  stop(): void;
}

/**
 * Keeps `config.reloadable` up to date with the files that `X_FILE` variables name: every 30 s when a file has changed, and at
 * `reload()`. New values are swapped in as a whole; when any is wrong the old ones stay and an error naming the
 * variable is logged. Polling, not `fs.watch`: secrets are mounted as symbolic links that are swapped, and on network
 * file systems, and there change notices get lost.
 */
export function watchSecrets(
  config: Pick<HearthConfig, 'reloadable'>,
  logger: Logger,
  onChange: (values: ReloadableValues) => void,
): SecretsWatch {
  let seen = fingerprint(config.reloadable.files);

  function reload(): void {
    seen = fingerprint(config.reloadable.files);
    try {
      onChange(config.reloadable.reload());
      logger.info('Settings were read again');
    } catch (error) {
      const problems = error instanceof ConfigError ? error.problems : undefined;
      logger.error(
        { problems, err: problems === undefined ? error : undefined },
        'New settings are wrong, old ones stay',
      );
    }
  }

  function poll(): void {
    if (fingerprint(config.reloadable.files) !== seen) reload();
  }

  const polling = every(POLL_MS, poll);
  return { reload, poll, stop: () => void polling.stop() };
}

/** Changes when one of the files does. A file that is missing for a moment while it is replaced counts as a change. */
function fingerprint(files: readonly string[]): string {
  return files.map(stampOf).join();
}

function stampOf(file: string): string {
  try {
    const { ino, size, mtimeMs } = statSync(file);
    return `${ino}:${size}:${mtimeMs}`;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'unreadable';
  }
}
