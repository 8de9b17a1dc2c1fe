import { readFileSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { connect } from 'nats';
import { natsVersionOf } from '@hearth/embedded';
import { knowsSyncInterval } from '@hearth/stream';
import { freePort } from '../support/free-port';
import { startUntilPlaced } from '../support/nats-cluster';
import { projectFolder, type ComposeFile, type ComposeService } from './compose-file';
import { startProgram, type Program } from './program';

/** The NATS servers of a compose file. */
export interface NatsFromCompose {
  /** `host:port` of the compose file → address on this machine. */
  readonly places: Readonly<Record<string, string>>;
  readonly servers: Readonly<Record<string, Program>>;
  stop(): Promise<void>;
}

/**
 * Starts every NATS server as the compose file says, on free ports and empty stores; several when streams can have three copies.
 * A server before 2.10 gets its file without `sync_interval`.
 */
export function startNatsFromCompose({ services }: ComposeFile): Promise<NatsFromCompose> {
  const servers = Object.entries(services).filter(([, { command }]) => command?.[0] === 'nats-server');
  if (servers.length === 1) return startServers(servers);
  return startUntilPlaced(
    () => startServers(servers),
    ({ places }) => ({
      servers: servers.map(([name]) => places[`${name}:4222`] ?? ''),
      token: servers[0]?.[1].environment?.NATS_TOKEN,
    }),
  );
}

async function startServers(servers: readonly (readonly [string, ComposeService])[]): Promise<NatsFromCompose> {
  const places: Record<string, string> = {};
  for (const [name] of servers) {
    for (const port of [4222, 6222]) places[`${name}:${port}`] = `127.0.0.1:${await freePort()}`;
  }
  const start = async ([name, service]: readonly [string, ComposeService]): Promise<[string, Program]> => [
    name,
    await startServer(name, service, places),
  ];
  // Together, because none of several is ready before most of them are there.
  const started = await Promise.allSettled(servers.map(start));
  const programs = started.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const stop = async (): Promise<void> => void (await Promise.all(programs.map(([, program]) => program.stop())));
  const failed = started.find(({ status }) => status === 'rejected');
  if (failed?.status === 'rejected') {
    await stop();
    throw failed.reason;
  }
  return { places, servers: Object.fromEntries(programs), stop };
}

async function startServer(
  name: string,
  { command = [], volumes = [], environment = {} }: ComposeService,
  places: Readonly<Record<string, string>>,
): Promise<Program> {
  const program = process.env.HEARTH_TEST_NATS_SERVER ?? 'nats-server';
  const folder = await mkdtemp(join(tmpdir(), 'hearth-test-nats-'));
  const isOld = !knowsSyncInterval(await natsVersionOf(program));
  for (const [from = '', to = ''] of volumes.map((volume) => volume.split(':'))) {
    if (!to.startsWith('/etc/nats/')) continue;
    const written = readFileSync(join(projectFolder, from), 'utf8');
    const local = written
      .replace('store_dir: /data', `store_dir: ${JSON.stringify(join(folder, 'data'))}`)
      .replace('listen: 0.0.0.0:6222', `listen: ${places[`${name}:6222`]}`);
    await writeFile(join(folder, basename(to)), isOld ? local.replace(/^\s*sync_interval:.*$/m, '') : local);
  }
  const [host, port = ''] = (places[`${name}:4222`] ?? '').split(':');
  const env = Object.entries(environment).map(([variable, value]) => [
    variable,
    Object.entries(places).reduce((moved, [from, to]) => moved.replaceAll(`@${from}`, `@${to}`), value),
  ]);
  return startProgram({
    program,
    args: [
      ...command.slice(1).map((arg) => (arg.startsWith('/etc/nats/') ? join(folder, basename(arg)) : arg)),
      ...['--addr', String(host), '--port', port, '--http_port', String(await freePort())],
    ],
    env: Object.fromEntries(env) as Record<string, string>,
    folder,
    ready: async () => {
      const connection = await connect({
        servers: `${host}:${port}`,
        token: environment.NATS_TOKEN,
        reconnect: false,
      });
      await connection.jetstreamManager().finally(() => connection.close());
    },
  });
}
