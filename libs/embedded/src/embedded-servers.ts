import { lockDataDir, openDataDir } from '@hearth/data-dir';
import { join } from 'node:path';
import { cacheFolder } from './cache-dir';
import { findNatsServer } from './find-nats-server';
import { startEmbeddedNats } from './embedded-nats';
import { startEmbeddedPostgres } from './embedded-postgres';
import { hasPackagedPostgres } from './postgres-binaries';
import { SupervisedServer, type RunningServer } from './supervised-server';

/**
 * The servers the all-in-one brings along. Whatever of Postgres and NATS the user has not given is started on the data
 * folder, in a process group of its own, started again when it dies, and stopped in the end; what was given is left
 * alone. Servers that a killed Hearth left are cleaned up after at the next start.
 */
export interface EmbeddedServers {
  readonly databaseUrl: string;
  readonly natsUrl: string;
  /** Resolves, with why, when one of them failed so often that it is not started again any more. */
  readonly lost: Promise<string>;
  /** Stops what was started and gives the data folder free. Call it once Hearth has drained. */
  stop(): Promise<void>;
}

export interface EmbeddedServersOptions {
  /** Configuration §2, `HEARTH_DATA_DIR`. */
  readonly dataDir: string;
  /** Set: this database is used and none is started. */
  readonly databaseUrl?: string | undefined;
  /** Set: this NATS is used and none is started. */
  readonly natsUrl?: string | undefined;
  /** `HEARTH_NATS_SERVER`; when not given, one is found or fetched. */
  readonly natsServer?: string | undefined;
  /** `HEARTH_CACHE_DIR` */
  readonly cacheDir?: string | undefined;
  /** Progress, one line at a time; never holds a secret. */
  readonly log?: (line: string) => void;
  /** As `log`, of servers that died. */
  readonly warn?: (line: string) => void;
  /** Gives up fetching nats-server, the one part of a start that may take long. */
  readonly signal?: AbortSignal;
}

/**
 * What must be set where nothing can be started, in one line; `undefined` where nothing is missing.
 *
 * @param hasPostgres whether there is one to start
 */
export function missingServers(
  { databaseUrl, natsUrl }: Pick<EmbeddedServersOptions, 'databaseUrl' | 'natsUrl'>,
  hasPostgres: boolean,
): string | undefined {
  if (hasPostgres || databaseUrl !== undefined) return undefined;
  const names = natsUrl === undefined ? 'HEARTH_DATABASE_URL and HEARTH_NATS_URL' : 'HEARTH_DATABASE_URL';
  return `${names} must be set: there is no Postgres to start here (the image has none; "npm ci" without --omit=optional brings one)`;
}

type Server = Pick<SupervisedServer, 'url' | 'lost' | 'stop'>;

/**
 * Claims the data folder and starts the servers that were not given.
 *
 * @throws Error that says what to do; nothing is left running then
 */
export async function startEmbeddedServers(options: EmbeddedServersOptions): Promise<EmbeddedServers> {
  const { databaseUrl, natsUrl, cacheDir, log = () => {}, warn = () => {} } = options;
  const missing = missingServers(options, await hasPackagedPostgres());
  if (missing !== undefined) throw new Error(missing);
  const dataDir = await openDataDir(options.dataDir);
  const unlock = await lockDataDir(dataDir);
  const supervise = (name: string, start: (signal: AbortSignal, port?: number) => Promise<RunningServer>) =>
    SupervisedServer.start({
      name,
      start: (signal, url) => start(signal, url === undefined ? undefined : Number(new URL(url).port)),
      log,
      warn,
    });
  try {
    // First what may take long or fail for want of a network, so that a failure costs nothing else.
    const program =
      natsUrl === undefined
        ? await findNatsServer({
            program: options.natsServer,
            cacheDirs: [cacheFolder(cacheDir), join(dataDir, 'cache')],
            log,
            signal: options.signal,
          })
        : '';
    options.signal?.throwIfAborted();
    const [postgres, nats] = await bothOrNone(
      databaseUrl === undefined
        ? supervise('Postgres', (signal, port) => startEmbeddedPostgres({ dataDir, cacheDir, log, port, signal }))
        : given(databaseUrl),
      natsUrl === undefined
        ? supervise('nats-server', (signal, port) => startEmbeddedNats({ dataDir, log, program, port, signal }))
        : given(natsUrl),
    );
    return {
      databaseUrl: postgres.url,
      natsUrl: nats.url,
      lost: Promise.race([postgres.lost, nats.lost]),
      stop: async () => {
        await stopAll([postgres, nats]);
        await unlock();
      },
    };
  } catch (error) {
    await unlock();
    throw error;
  }
}

/** When one does not start, the other is stopped. */
async function bothOrNone(...starts: [Promise<Server>, Promise<Server>]): Promise<[Server, Server]> {
  const results = await Promise.allSettled(starts);
  const [first, second] = results;
  if (first.status === 'fulfilled' && second.status === 'fulfilled') return [first.value, second.value];
  await stopAll(results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : [])));
  throw first.status === 'rejected' ? first.reason : (second as PromiseRejectedResult).reason;
}

/** One that cannot be stopped does not keep the others running. */
async function stopAll(servers: readonly Server[]): Promise<void> {
  const results = await Promise.allSettled(servers.map((server) => server.stop()));
  const failures = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []));
  if (failures.length > 0) throw new AggregateError(failures, 'not every embedded server could be stopped');
}

async function given(url: string): Promise<Server> {
  return { url, lost: new Promise(() => {}), stop: async () => {} };
}
