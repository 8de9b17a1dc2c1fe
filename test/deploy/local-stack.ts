import { execFile, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { AppProcess, type AppName } from '../support/process';
import { parseEnvFile, projectFolder, readComposeFile, type ComposeFile, type ComposeService } from './compose-file';
import { startEdge, type Edge } from './edge';
import { layOutImage, type Image } from './image';
import { startNatsFromCompose, type NatsFromCompose } from './nats-server';
import { startPostgresFromCompose, type PostgresFromCompose } from './postgres';

/** `docker compose up --scale gateway=2 --scale sequencer=2` without Docker. */
export interface LocalStack {
  readonly edge: Edge;
  readonly postgres: PostgresFromCompose;
  readonly gateways: readonly AppProcess[];
  readonly all: readonly AppProcess[];
  /** What the one-shot `migrate` printed. */
  readonly migrateOutput: string;
  /** The settings file a newcomer has after `node deploy/generate-env.mjs`. */
  readonly settings: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

/** A cluster of NATS servers, and one of each service that a message passes. */
export interface ClusterStack {
  readonly nats: NatsFromCompose;
  readonly publishApi: AppProcess;
  readonly gateway: AppProcess;
  readonly settings: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

/** Every place that is somewhere else without Docker: `host:port` of the compose file → address on this machine. */
type Places = Readonly<Record<string, string>>;

const readyWithinMs = 60_000;

/** Starts everything as the compose file says, in its order. What is started is stopped again when a part fails. */
export function startLocalStack(): Promise<LocalStack> {
  return startStack([], async ({ compose, settings, postgres, migrateOutput, start, opened, stop }) => {
    // One after the other, so that a failure leaves nothing behind that is still starting.
    const publishApi = await start('publish-api');
    const sequencers = [await start('sequencer'), await start('sequencer')];
    const gateways = [await start('gateway'), await start('gateway')];
    const history = await start('history');
    const webhooks = await start('webhooks');
    const edge = opened(
      await startEdge(service(compose, 'edge'), {
        publishApi: [addressOf(publishApi)],
        gateway: gateways.map(addressOf),
        history: [addressOf(history)],
      }),
      (it) => it.stop(),
    );
    const all = [publishApi, ...sequencers, ...gateways, history, webhooks];
    return { edge, postgres, gateways, all, migrateOutput, settings, stop };
  });
}

/** Starts what `docker-compose.cluster.yml` changes, and what a message needs. */
export function startClusterStack(): Promise<ClusterStack> {
  return startStack(['docker-compose.cluster.yml'], async ({ nats, settings, start, stop }) => {
    const publishApi = await start('publish-api');
    await start('sequencer');
    return { nats, publishApi, gateway: await start('gateway'), settings, stop };
  });
}

/** What every stack has before its services. */
interface Foundation {
  readonly compose: ComposeFile;
  readonly settings: Readonly<Record<string, string>>;
  readonly postgres: PostgresFromCompose;
  readonly nats: NatsFromCompose;
  readonly migrateOutput: string;
  readonly start: (name: Exclude<AppName, 'hearth'>) => Promise<AppProcess>;
  readonly opened: <T>(thing: T, close: (thing: T) => Promise<unknown>) => T;
  readonly stop: () => Promise<void>;
}

async function startStack<T>(
  overrides: readonly string[],
  complete: (foundation: Foundation) => Promise<T>,
): Promise<T> {
  const closers: (() => Promise<unknown>)[] = [];
  const stop = async () => {
    const failures: unknown[] = [];
    for (const close of closers.splice(0).reverse()) await close().catch((error: unknown) => failures.push(error));
    if (failures.length > 0) throw failures[0];
  };
  const opened = <T>(thing: T, close: (thing: T) => Promise<unknown>): T => {
    closers.push(() => close(thing));
    return thing;
  };
  try {
    const settings = await generateSettings();
    const compose = readComposeFile(settings, ...overrides);
    const image = opened(await layOutImage(), (it) => it.remove());
    const postgres = opened(await startPostgresFromCompose(service(compose, 'postgres')), (it) => it.stop());
    const nats = opened(await startNatsFromCompose(compose), (it) => it.stop());
    const places: Places = {
      'postgres:5432': postgres.address,
      ...nats.places,
      // The edge's address in its network, which is the only one the services believe.
      '172.31.240.10/32': '127.0.0.1/32',
    };
    const start = async (name: Exclude<AppName, 'hearth'>) =>
      opened(await startService(name, service(compose, name), image, places), (it) => it.stop());
    const migrateOutput = await runOneShot(service(compose, 'migrate'), image, places);
    return await complete({ compose, settings, postgres, nats, migrateOutput, start, opened, stop });
  } catch (error) {
    await stop();
    throw error;
  }
}

/** What `deploy/generate-env.mjs` writes. */
export async function generateSettings(): Promise<Record<string, string>> {
  const folder = await mkdtemp(join(tmpdir(), 'hearth-test-env-'));
  try {
    const path = join(folder, '.env');
    await promisify(execFile)(process.execPath, [join(projectFolder, 'deploy/generate-env.mjs'), path]);
    return parseEnvFile(await readFile(path, 'utf8'));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function service(compose: ComposeFile, name: string): ComposeService {
  const found = compose.services[name];
  if (found === undefined) throw new Error(`docker-compose.yml has no service ${name}`);
  return found;
}

const addressOf = ({ port }: AppProcess): string => `127.0.0.1:${port}`;

/** The environment of a container and nothing else, with places moved as the table says. */
function environmentOf({ environment = {} }: ComposeService, image: Image, places: Places): Record<string, string> {
  const moved = Object.entries(environment).map(([name, value]) => [name, move(value, places)] as const);
  return { ...image.environment, ...Object.fromEntries(moved) };
}

function move(value: string, places: Places): string {
  let moved = value;
  for (const [from, to] of Object.entries(places)) moved = moved.replaceAll(from, to);
  return moved;
}

/** `node` of the image is the Node that runs the tests. */
function commandOf({ command = [], entrypoint }: ComposeService): readonly [string, readonly string[]] {
  const [program, ...args] = [...(entrypoint ?? []), ...command];
  if (program !== 'node') throw new Error(`expected a command that begins with node, not ${String(program)}`);
  return [process.execPath, args];
}

async function runOneShot(it: ComposeService, image: Image, places: Places): Promise<string> {
  const [program, args] = commandOf(it);
  const options = { cwd: image.folder, env: environmentOf(it, image, places) };
  return (await promisify(execFile)(program, args, options)).stdout;
}

/** Containers can all have the same ports. Processes cannot: each gets one that is free. */
async function startService(name: AppName, it: ComposeService, image: Image, places: Places): Promise<AppProcess> {
  const [program, args] = commandOf(it);
  const env = environmentOf(it, image, places);
  if (env.HEARTH_PORT !== undefined) env.HEARTH_PORT = '0';
  env.HEARTH_ADMIN_PORT = '0';
  const child = spawn(program, args, { cwd: image.folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const app = new AppProcess(name, child);
  try {
    await app.untilReady(readyWithinMs);
    return app;
  } catch (error) {
    await app.kill('SIGKILL');
    throw error;
  }
}
