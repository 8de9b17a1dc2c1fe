import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { connect } from 'nats';
import { z } from 'zod';
import { openDataDir } from './data-dir';
import { findNatsServer } from './find-nats-server';
import { freePort } from './free-port';
import { readPrivateJson, writePrivateFile } from './private-file';
import { runsWithArgument, stopProcess, type StopStep } from './processes';
import { ServerProcess } from './server-process';
import type { RunningServer } from './supervised-server';

/**
 * The NATS of the all-in-one. Below the data folder it keeps `nats/`: JetStream's files, its configuration, `nats.json`
 * (its password and last port), its log and the number of its process. It listens on 127.0.0.1 only, with a password,
 * because other users of the machine reach 127.0.0.1 too.
 */
export interface EmbeddedNats extends RunningServer {
  /** `nats://user:password@127.0.0.1:port`. */
  readonly url: string;
  /** Stops it after JetStream has written everything. */
  stop(): Promise<void>;
}

export interface EmbeddedNatsOptions {
  readonly dataDir: string;
  readonly log?: (line: string) => void;
  /** Path of nats-server; found or fetched when not given. */
  readonly program?: string;
  /** The port it has to have; when not given, that of the last start if it is free. */
  readonly port?: number | undefined;
  /** Ends a start that is under way. */
  readonly signal?: AbortSignal;
}

interface Login {
  readonly password: string;
  readonly port: number;
}

const user = 'hearth';
// JetStream reads its streams' files again before it lets anyone in.
const readyWithinMs = 60_000;
const startAttempts = 5;

const stopSteps: readonly StopStep[] = [
  { signal: 'SIGTERM', waitMs: 15_000 },
  { signal: 'SIGKILL', waitMs: 5_000 },
];

const recordFormat = z.object({ password: z.string().min(1), port: z.number().int().optional() });

/**
 * Starts the embedded NATS on a data folder. The caller holds the folder's lock.
 *
 * @throws Error that says what to do when there is no nats-server or it does not start
 */
export async function startEmbeddedNats(options: EmbeddedNatsOptions): Promise<EmbeddedNats> {
  const { dataDir, log = () => {}, signal } = options;
  const home = await openDataDir(dataDir);
  const program = options.program ?? (await findNatsServer({ log }));
  const folder = join(home, 'nats');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await stopLeftOverNats(folder, log);
  const recordFile = join(folder, 'nats.json');
  const record = await readPrivateJson(recordFile, (content) => recordFormat.parse(content));
  const password = record?.password ?? randomBytes(24).toString('hex');
  const choosePort = async () => options.port ?? (await freePort(record?.port));
  const { server, port } = await startServer(program, folder, password, choosePort, signal);
  const stop = async (): Promise<void> => {
    await server.stop(stopSteps);
    await rm(pidFileOf(folder), { force: true });
  };
  try {
    await writePrivateFile(recordFile, `${JSON.stringify({ password, port }, null, 2)}\n`);
  } catch (error) {
    await stop();
    throw error;
  }
  return { url: `nats://${user}:${password}@127.0.0.1:${port}`, ended: server.ended, stop };
}

/** A server on this folder that outlived a killed Hearth holds JetStream's files and is stopped. */
export async function stopLeftOverNats(folder: string, log: (line: string) => void): Promise<void> {
  const pid = Number.parseInt(await readFile(pidFileOf(folder), 'utf8').catch(() => ''), 10);
  if (Number.isNaN(pid)) return;
  const isOurs = () => runsWithArgument(pid, configurationFileOf(folder));
  if (!isOurs()) return;
  log(`stopping the nats-server (process ${pid}) that a killed Hearth left running`);
  if (!(await stopProcess(pid, isOurs, stopSteps))) throw new Error(`nats-server (process ${pid}) cannot be stopped.`);
}

async function startServer(
  program: string,
  folder: string,
  password: string,
  choosePort: () => Promise<number>,
  signal: AbortSignal | undefined,
): Promise<{ server: ServerProcess; port: number }> {
  for (let attempt = 1; ; attempt += 1) {
    const port = await choosePort();
    await writePrivateFile(configurationFileOf(folder), configuration(folder, { password, port }));
    const server = await ServerProcess.start({
      command: program,
      args: ['-c', configurationFileOf(folder)],
      logFile: join(folder, 'nats-server.log'),
      stopSignal: 'SIGTERM',
    });
    try {
      writeFileSync(pidFileOf(folder), `${server.pid}\n`, { mode: 0o600 });
      await untilReady(server, { password, port }, signal);
      return { server, port };
    } catch (error) {
      await server.stop(stopSteps);
      signal?.throwIfAborted();
      const tail = server.logTail();
      // Someone took the port in the meantime.
      if (!tail.includes('address already in use') || attempt === startAttempts) {
        throw new Error(`nats-server did not start: ${(error as Error).message}. Its last words:\n${tail}`, {
          cause: error,
        });
      }
    }
  }
}

/** What the server is to do, in its own language, where strings in double quotes know JSON's escapes. */
function configuration(folder: string, { password, port }: Login): string {
  return `listen: "127.0.0.1:${port}"
server_name: hearth-embedded
authorization { user: ${user}, password: "${password}" }
# It makes a folder "jetstream" in there.
jetstream { store_dir: ${JSON.stringify(folder)} }
# A batch of the largest messages is one payload.
max_payload: 8MB
# The longest channel name makes a subject of 3,120 characters, and a control line holds two subjects.
max_control_line: 8192
`;
}

/** Ready is when a client gets in and JetStream answers it. */
async function untilReady(server: ServerProcess, { password, port }: Login, signal?: AbortSignal): Promise<void> {
  const deadline = Date.now() + readyWithinMs;
  for (;;) {
    signal?.throwIfAborted();
    if (!server.isRunning()) throw new Error(`it ended with ${await server.ended}`);
    try {
      const connection = await connect({ servers: `127.0.0.1:${port}`, user, pass: password, reconnect: false });
      try {
        const manager = await connection.jetstreamManager();
        await manager.getAccountInfo();
        return;
      } finally {
        await connection.close();
      }
    } catch (error) {
      if (Date.now() > deadline) throw new Error('it was not ready in time', { cause: error });
    }
    await delay(25);
  }
}

function configurationFileOf(folder: string): string {
  return join(folder, 'nats-server.conf');
}

function pidFileOf(folder: string): string {
  return join(folder, 'nats-server.pid');
}
