import { type StopStep, openDataDir, readPrivateJson, writePrivateFile, writePrivateJson } from '@hearth/data-dir';
import { randomBytes } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checkJetStream, knowsSyncInterval } from '@hearth/stream';
import { z } from 'zod';
import { natsVersionOf } from './find-nats-server';
import { freePort } from './free-port';
import { watchDisk } from './full-disk';
import { startServer, stopLeftOver, type LeftOver } from './server-start';
import type { RunningServer, StartOptions } from './supervised-server';

const user = 'hearth';
// A power cut takes at most what was accepted in so long before it; with the default, in two minutes.
const syncInterval = '1s';

const stopSteps: readonly StopStep[] = [
  { signal: 'SIGTERM', waitMs: 15_000 },
  { signal: 'SIGKILL', waitMs: 5_000 },
];

const RECORD_FILE = 'nats.json';
const recordFormat = z.object({ password: z.string().min(1), port: z.number().int().optional() });

/**
 * Starts the NATS of the all-in-one on a data folder, whose lock the caller holds. Below the folder it keeps `nats/`:
 * JetStream's files, its configuration, `nats.json` (its password and last port), its log and the number of its process.
 * It listens on 127.0.0.1 only, with a password, because other users of the machine reach 127.0.0.1 too.
 *
 * @param options.program path of nats-server
 * @throws Error that says what to do when there is no nats-server or it does not start
 */
export async function startEmbeddedNats(options: StartOptions & { readonly program: string }): Promise<RunningServer> {
  const { dataDir, log = () => {}, program, signal } = options;
  const folder = join(await openDataDir(dataDir), 'nats');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const leftOver = leftOverNats(folder);
  const { pidFile, argument: configurationFile } = leftOver;
  await stopLeftOver(leftOver, log);
  const record = await readRecord(folder);
  const password = record?.password ?? randomBytes(24).toString('hex');
  const version = await natsVersionOf(program);
  const { server, port } = await startServer({
    name: 'nats-server',
    command: async (port) => {
      await writePrivateFile(configurationFile, configuration(folder, password, port, version));
      return { command: program, args: ['-c', configurationFile], logFile: join(folder, 'nats-server.log'), stopSteps };
    },
    choosePort: async () => options.port ?? (await freePort(record?.port)),
    onProcess: (pid) => writeFile(pidFile, `${pid}\n`, { mode: 0o600 }),
    check: (port) => checkJetStream(urlOf(password, port)),
    // Somebody took the port in the meantime.
    passing: /address already in use/,
    onReady: (port) => writePrivateJson(join(folder, RECORD_FILE), { password, port }),
    signal,
  });
  // A stream that could not write to a full disk takes nothing until the server is started again.
  const disk = watchDisk(
    folder,
    () => log('the disk of the embedded nats-server is full'),
    () => {
      log('there is room again on the disk of the embedded nats-server: it is stopped, to take messages again');
      void server.stop();
    },
  );
  void server.ended.then(() => disk.stop());
  return {
    url: urlOf(password, port),
    ended: server.ended,
    stop: async () => {
      await server.stop();
      await rm(pidFile, { force: true });
    },
  };
}

/** Where the server of a data folder listens, or did last; undefined where none ever ran. */
export async function lastNatsUrl(dataDir: string): Promise<string | undefined> {
  const record = await readRecord(join(dataDir, 'nats'));
  return record?.port === undefined ? undefined : urlOf(record.password, record.port);
}

function readRecord(folder: string): Promise<z.infer<typeof recordFormat> | undefined> {
  return readPrivateJson(join(folder, RECORD_FILE), (content) => recordFormat.parse(content));
}

function urlOf(password: string, port: number): string {
  return `nats://${user}:${password}@127.0.0.1:${port}`;
}

/** What to know of a server on this folder that outlived a killed Hearth. */
export function leftOverNats(folder: string): LeftOver {
  return {
    name: 'nats-server',
    pidFile: join(folder, 'nats-server.pid'),
    argument: join(folder, 'nats-server.conf'),
    stopSteps,
  };
}

/** What the server is to do, in its own language, where strings in double quotes know JSON's escapes. */
function configuration(folder: string, password: string, port: number, version: string): string {
  return `listen: "127.0.0.1:${port}"
server_name: hearth-embedded
authorization { user: ${user}, password: "${password}" }
# It makes a folder "jetstream" in there.
jetstream {
  store_dir: ${JSON.stringify(folder)}
  ${knowsSyncInterval(version) ? `sync_interval: ${syncInterval}` : '# A server before 2.10 syncs once a minute.'}
}
# A batch of the largest messages is one payload.
max_payload: 8MB
# The longest channel name makes a subject of 3,120 characters, and a control line holds two subjects.
max_control_line: 8192
`;
}
