/** A server under test: how it is started, recognised as ready, and stopped. */
import { ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmod, mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '@hearth/embedded';
import { DialectName, Target } from '../generator/job';
import { ProcessTree } from '../process-stats';

export type PeerName = 'hearth' | 'plain-ws' | 'socket-io' | 'stored-by-hand' | 'read-back-by-hand';

/** What a server is told about its run. */
export interface Setting {
  readonly port: number;
  /** A second free port, for servers that have one for operators. */
  readonly adminPort: number;
  readonly apiKey: string;
  readonly accessKey: Target['accessKey'];
  readonly signingSecret: string;
  /** Its own, empty, removed afterwards. */
  readonly dataDir: string;
}

export interface Peer {
  readonly name: PeerName;
  readonly title: string;
  readonly dialect: DialectName;
  /** Script to run with Node. */
  readonly script: string;
  /** Whether it keeps messages and offers their history. */
  readonly stores: boolean;
  environment(setting: Setting): Readonly<Record<string, string>>;
  /** Answers 200 once the server takes connections. */
  readyUrl(setting: Setting): string;
}

export interface RunningPeer {
  readonly target: Target;
  readonly processes: ProcessTree;
  /** Ends the server and everything it started, and removes its files. */
  stop(): Promise<void>;
}

const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 15_000;
/** How much of a failed server's log is shown. */
const LOG_TAIL_BYTES = 2000;

/** The bench's environment without settings of Hearth's: a run must not depend on the shell it was started from. */
function neutralEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('HEARTH_')));
}

async function waitUntilReady(url: string, child: ChildProcess, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + START_TIMEOUT_MS;
  while (performance.now() < deadline) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error('the server ended while starting');
    signal.throwIfAborted();
    const ready = await fetch(url).then(
      (response) => response.ok,
      () => false,
    );
    if (ready) return;
    await sleep(25);
  }
  throw new Error(`the server was not ready within ${START_TIMEOUT_MS / 1000} s`);
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
  await exited;
  clearTimeout(timer);
}

/**
 * Starts `peer` on free ports with keys and a data directory of its own.
 * @param nodeFlags flags for its Node process, such as `--cpu-prof`
 * @throws Error with the end of the server's log when it does not become ready
 */
export async function startPeer(peer: Peer, nodeFlags: readonly string[], signal: AbortSignal): Promise<RunningPeer> {
  const home = await mkdtemp(join(tmpdir(), `hearth-bench-${peer.name}-`));
  // A Postgres started by root runs as another user, who has to get through here.
  await chmod(home, 0o755);
  const setting: Setting = {
    port: await freePort(),
    adminPort: await freePort(),
    apiKey: randomBytes(20).toString('hex'),
    accessKey: { id: 'AKIABENCHBENCHBENCHB', secret: randomBytes(20).toString('hex') },
    signingSecret: randomBytes(32).toString('base64'),
    dataDir: join(home, 'data'),
  };
  const logFile = join(home, 'server.log');
  const log = await open(logFile, 'w');
  const child = spawn(process.execPath, [...nodeFlags, peer.script], {
    env: { ...neutralEnvironment(), ...peer.environment(setting) },
    stdio: ['ignore', log.fd, log.fd],
  });
  const processes = new ProcessTree(child.pid ?? 0, home);
  const stop = async (): Promise<void> => {
    await end(child);
    await processes.killLeftovers();
    await log.close();
    await rm(home, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    await waitUntilReady(peer.readyUrl(setting), child, signal);
  } catch (error) {
    const tail = (await readFile(logFile, 'utf8')).slice(-LOG_TAIL_BYTES);
    await stop();
    throw new Error(`${peer.title}: ${(error as Error).message}\n${tail}`, { cause: error });
  }
  const { port, apiKey, accessKey, signingSecret } = setting;
  return { target: { dialect: peer.dialect, port, apiKey, accessKey, signingSecret }, processes, stop };
}
