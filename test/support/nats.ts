import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'nats';
import { eventually } from './eventually';
import { freePort } from './free-port';

export interface NatsSettings {
  /** Of the largest message; 8 MB if not given. */
  readonly maxPayload?: string;
  /** What clients must show; nothing if not given. */
  readonly token?: string;
  /** Makes it a member of a cluster. It is ready when it takes connections, for JetStream needs the other members too. */
  readonly membership?: ClusterMembership;
}

export interface ClusterMembership {
  readonly name: string;
  /** Where other members find it. */
  readonly routePort: number;
  /** Ports at which it looks for the others. */
  readonly routes: readonly number[];
}

/** A nats-server of one spec file's own, JetStream on, without a password. */
export interface TestNats {
  readonly url: string;
  readonly port: number;
  /** Changes with every restart. */
  readonly pid: number;
  readonly storeDir: string;
  /** Ends it as a power cut would; what it stored stays for `restart`. */
  kill(): Promise<void>;
  /** Ends it in good order if it runs, and starts it again on the same port and store. */
  restart(settings?: NatsSettings): Promise<void>;
  /** Ends it and deletes its store. */
  stop(): Promise<void>;
}

/** Starts a nats-server on a free port with an empty store. */
export async function startNats(first: NatsSettings = {}): Promise<TestNats> {
  const program = process.env.HEARTH_TEST_NATS_SERVER;
  if (program === undefined) throw new Error('HEARTH_TEST_NATS_SERVER is not set: the jest global set-up sets it');
  const [port, storeDir] = [await freePort(), await mkdtemp(join(tmpdir(), 'hearth-test-nats-'))];
  const configuration = join(storeDir, 'nats-server.conf');
  const start = async (settings: NatsSettings) => {
    const { maxPayload = '8MB', token, membership } = settings;
    await writeFile(
      configuration,
      `listen: "127.0.0.1:${port}"
jetstream { store_dir: ${JSON.stringify(storeDir)} }
max_payload: ${maxPayload}
max_control_line: 8192
${token === undefined ? '' : `authorization { token: ${JSON.stringify(token)} }`}
${membership === undefined ? '' : clusterBlock(membership)}
`,
    );
    return startProcess(program, configuration, port, settings);
  };
  let child = await start(first);
  return {
    url: `nats://127.0.0.1:${port}`,
    port,
    storeDir,
    get pid() {
      return child.pid ?? 0;
    },
    kill: () => end(child, 'SIGKILL'),
    restart: async (settings = {}) => {
      await end(child, 'SIGTERM');
      child = await start(settings);
    },
    stop: async () => {
      await end(child, 'SIGTERM');
      await rm(storeDir, { recursive: true, force: true });
    },
  };
}

function clusterBlock({ name, routePort, routes }: ClusterMembership): string {
  // What members tell each other leads nowhere, so that they meet on the given routes only.
  return `server_name: ${name}
cluster {
  name: test
  listen: "127.0.0.1:${routePort}"
  advertise: "127.0.0.1:1"
  no_advertise: true
  routes: [${routes.map((route) => `"nats://127.0.0.1:${route}"`).join()}]
}`;
}

async function startProcess(
  program: string,
  configuration: string,
  port: number,
  { token, membership }: NatsSettings,
): Promise<ChildProcess> {
  const child = spawn(program, ['-c', configuration], { stdio: ['ignore', 'ignore', 'pipe'] });
  let output = '';
  child.stderr.on('data', (chunk: Buffer) => (output = (output + chunk.toString('utf8')).slice(-4000)));
  // A worker that ends without stopping it must not leave it behind.
  const killIt = () => child.kill('SIGKILL');
  process.once('exit', killIt);
  child.once('exit', () => process.removeListener('exit', killIt));
  let ended = false;
  child.once('exit', () => (ended = true));
  await eventually(async () => {
    if (ended) return;
    const connection = await connect({ servers: `127.0.0.1:${port}`, reconnect: false, token });
    const manager = { checkAPI: membership === undefined };
    await connection.jetstreamManager(manager).finally(() => connection.close());
  });
  if (ended) throw new Error(`nats-server did not start:\n${output}`);
  return child;
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  await ended;
}
