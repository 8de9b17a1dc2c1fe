import { join } from 'node:path';
import { defaultCacheDir } from './cache-dir';
import { lockDataDir, openDataDir } from './data-dir';
import { findNatsServer } from './find-nats-server';
import { startEmbeddedNats } from './nats-server';
import { startEmbeddedPostgres } from './postgres';

/**
 * The servers the all-in-one brings along. Whatever of Postgres and NATS the user has not given is started on the data
 * folder, in a process group of its own, and stopped again; what was given is left alone. Killed servers and killed
 * Hearths are cleaned up after at the next start.
 */
export interface EmbeddedServers {
  readonly databaseUrl: string;
  readonly natsUrl: string;
  /** Stops what was started, NATS first, then Postgres, and gives the data folder free. Call it once Hearth has drained. */
  stop(): Promise<void>;
}

export interface EmbeddedServersOptions {
  /** Configuration §2, `HEARTH_DATA_DIR`. */
  readonly dataDir: string;
  /** Set: this database is used and none is started. */
  readonly databaseUrl?: string | undefined;
  /** Set: this NATS is used and none is started. */
  readonly natsUrl?: string | undefined;
  /** Progress, one line at a time; never holds a secret. */
  readonly log?: (line: string) => void;
  /** Gives up fetching nats-server, the one part of a start that may take long. */
  readonly signal?: AbortSignal;
  /** Told when a server ends that was not stopped, and how. */
  readonly onLost?: (reason: string) => void;
}

interface Started {
  readonly url: string;
  readonly ended?: Promise<string>;
  stop(): Promise<void>;
}

/**
 * Claims the data folder and starts the servers that were not given.
 *
 * @throws Error that says what to do; nothing is left running then
 */
export async function startEmbeddedServers(options: EmbeddedServersOptions): Promise<EmbeddedServers> {
  const { databaseUrl, natsUrl, log = () => {} } = options;
  const dataDir = await openDataDir(options.dataDir);
  const unlock = await lockDataDir(dataDir);
  let stopping = false;
  try {
    // First what may take long or fail for want of a network, so that a failure costs nothing else.
    const program =
      natsUrl === undefined
        ? await findNatsServer({ cacheDirs: [defaultCacheDir(), join(dataDir, 'cache')], log, signal: options.signal })
        : undefined;
    options.signal?.throwIfAborted();
    const [postgres, nats] = await startAll(
      databaseUrl === undefined ? startEmbeddedPostgres({ dataDir, log }) : given(databaseUrl),
      natsUrl === undefined ? startEmbeddedNats({ dataDir, log, program }) : given(natsUrl),
    );
    const watch = (name: string, ended?: Promise<string>) =>
      void ended?.then((how) => stopping || options.onLost?.(`the embedded ${name} ended with ${how}`));
    watch('Postgres', postgres.ended);
    watch('nats-server', nats.ended);
    return {
      databaseUrl: postgres.url,
      natsUrl: nats.url,
      stop: async () => {
        stopping = true;
        await nats.stop();
        await postgres.stop();
        await unlock();
      },
    };
  } catch (error) {
    await unlock();
    throw error;
  }
}

/** Both, or neither: when one does not start, the other is stopped. */
async function startAll(...starts: [Promise<Started>, Promise<Started>]): Promise<[Started, Started]> {
  const [first, second] = await Promise.allSettled(starts);
  if (first.status === 'fulfilled' && second.status === 'fulfilled') return [first.value, second.value];
  for (const result of [first, second]) if (result.status === 'fulfilled') await result.value.stop();
  throw first.status === 'rejected' ? first.reason : (second as PromiseRejectedResult).reason;
}

async function given(url: string): Promise<Started> {
  return { url, stop: async () => {} };
}
