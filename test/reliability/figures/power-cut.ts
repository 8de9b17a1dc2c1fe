import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { natsVersionOf } from '@hearth/embedded';
import { knowsSyncInterval } from '@hearth/stream';
import { connect, type NatsConnection } from 'nats';
import { eventually } from '../../support/eventually';
import { freePort } from '../../support/free-port';
import { startNatsCluster } from '../../support/nats-cluster';
import { pauseProcess } from '../../support/pause-process';
import type { Figure, Reading } from './figure';

const run = promisify(execFile);

/** By `sync_interval`: the most that may be lost, s. The kernel writes by itself what has waited for half a minute. */
const SETTINGS: Readonly<Record<string, number>> = { always: 0, '1s': 2, '10s': 11, '2m': 121 };
/** Longer than anything but the default takes to be written. */
const PUBLISH_SECONDS = { full: 50, small: 5 };
const PUBLISH_EVERY_MS = 10;
const STREAM = 'CUT';

/**
 * R19: what is accepted survives a power cut as far as docs/deploy.md says. A file system in a file: what that file holds at a
 * moment is what a disk would hold that loses power then.
 */
export const powerCut: Figure = {
  promise: 'R19',
  title: 'the machine of a nats-server loses power (needs root, for the file systems)',
  smallIn: 'test/sequencer/power-cut.spec.ts',
  measure: async ({ size }) => {
    const program = process.env.HEARTH_TEST_NATS_SERVER ?? '';
    if (!knowsSyncInterval(await natsVersionOf(program))) throw new Error('needs a nats-server with sync_interval');
    const cut = async ([syncInterval, atMost]: [string, number]): Promise<Reading> => ({
      what: `seconds before a power cut whose confirmed messages are lost, sync_interval ${syncInterval}`,
      measured: await secondsLost(program, syncInterval, PUBLISH_SECONDS[size] * 1_000),
      atMost,
      unit: 's',
    });
    const readings = await Promise.all(Object.entries(SETTINGS).map(cut));
    const what =
      'confirmed messages of a stream with three copies that are lost when the machine of its leader loses power';
    const measured = await lostOfThreeCopies(PUBLISH_SECONDS[size] * 1_000);
    return [...readings, { what, measured, atMost: 0 }];
  },
};

/** Three servers that sync by their default, which is never here: what the one that leads the stream loses, the others have. */
async function lostOfThreeCopies(publishMs: number): Promise<number> {
  const cluster = await startNatsCluster();
  const [member, ...others] = cluster.members;
  const folder = await mkdtemp(join(tmpdir(), 'hearth-power-cut-'));
  const [disk, afterwards] = [join(folder, 'disk'), join(folder, 'afterwards')];
  let connection: NatsConnection | undefined;
  if (member === undefined) throw new Error('there is no server');
  const store = join(member.storeDir, 'jetstream');
  const lead = (): Promise<void> =>
    eventually(async () => {
      if ((await cluster.leaderOf(STREAM)).name === member.name) return;
      await cluster.stepDown(STREAM);
      throw new Error('another leads');
    });
  try {
    await run('truncate', ['--size=256M', disk]);
    await run('mkfs.ext4', ['-q', disk]);
    await member.kill();
    await run('mount', ['-o', 'loop', disk, store]);
    // It would be taken for an account.
    await rm(join(store, 'lost+found'), { recursive: true });
    await member.restart();
    await cluster.untilWhole();
    connection = await connect({ servers: others.map(({ url }) => url) });
    const { streams } = await connection.jetstreamManager();
    // The others learn a moment later that it is there again.
    await eventually(() => streams.add({ name: STREAM, subjects: [STREAM], num_replicas: cluster.members.length }));
    await lead();
    await run('sync', ['-f', store]);
    const confirmed = (await publishFor(publishMs, connection)).length;
    await pauseProcess(member.pid);
    await run('cp', ['--sparse=always', disk, afterwards]);
    await member.kill();
    await run('umount', [store]);
    await run('mount', ['-o', 'loop', afterwards, store]);
    await member.restart();
    await cluster.untilWhole();
    await lead();
    const { state } = await eventually(() => streams.info(STREAM));
    process.stdout.write(`three copies: ${state.messages} of ${confirmed} kept\n`);
    return Math.max(0, confirmed - state.messages);
  } finally {
    await connection?.close();
    await member.kill().catch(() => undefined);
    await run('umount', [store]).catch(() => undefined);
    await cluster.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/** @returns from the first confirmed message that was lost until the power cut, s */
async function secondsLost(program: string, syncInterval: string, publishMs: number): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'hearth-power-cut-'));
  const [disk, afterwards] = [join(folder, 'disk'), join(folder, 'afterwards')];
  try {
    await run('truncate', ['--size=256M', disk]);
    await run('mkfs.ext4', ['-q', disk]);
    const confirmed = await onDisk(disk, program, syncInterval, async (connection, server) => {
      const manager = await connection.jetstreamManager();
      await manager.streams.add({ name: STREAM, subjects: [STREAM] });
      // Its own making is not what is measured.
      await run('sync', ['-f', `${disk}-mounted`]);
      const times = await publishFor(publishMs, connection);
      await pauseProcess(server.pid ?? 0);
      const cutMs = performance.now();
      await run('cp', ['--sparse=always', disk, afterwards]);
      return times.map((ms) => cutMs - ms);
    });
    const kept = await onDisk(afterwards, program, syncInterval, async (connection) => {
      const manager = await connection.jetstreamManager();
      return eventually(async () => (await manager.streams.info(STREAM)).state.last_seq);
    });
    const ageMs = confirmed[kept];
    process.stdout.write(`sync_interval ${syncInterval}: ${kept} of ${confirmed.length} kept\n`);
    return ageMs === undefined ? 0 : Math.round(ageMs / 100) / 10;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** One message after the other. @returns when each was confirmed, by its place in the stream (`performance.now()`) */
async function publishFor(ms: number, connection: NatsConnection): Promise<number[]> {
  const times: number[] = [];
  for (const end = performance.now() + ms; performance.now() < end; await delay(PUBLISH_EVERY_MS)) {
    const { seq } = await connection.jetstream().publish(STREAM, 'x'.repeat(200));
    times[seq - 1] = performance.now();
  }
  return times;
}

/** Runs `fn` with a nats-server whose store is on a file system in a file; then ends both. */
async function onDisk<T>(
  disk: string,
  program: string,
  syncInterval: string,
  fn: (connection: NatsConnection, server: ChildProcess) => Promise<T>,
): Promise<T> {
  const mounted = `${disk}-mounted`;
  await mkdir(mounted);
  await run('mount', ['-o', 'loop', disk, mounted]);
  let server: ChildProcess | undefined;
  let connection: NatsConnection | undefined;
  try {
    const port = await freePort();
    const configuration = `${disk}.conf`;
    const jetStream = `jetstream { store_dir: ${JSON.stringify(join(mounted, 'store'))}, sync_interval: ${syncInterval} }`;
    await writeFile(configuration, `listen: "127.0.0.1:${port}"\n${jetStream}\n`);
    server = spawn(program, ['-c', configuration], { stdio: 'ignore' });
    connection = await eventually(() => connect({ servers: `127.0.0.1:${port}`, reconnect: false }));
    return await fn(connection, server);
  } finally {
    if (server !== undefined) {
      const ended = new Promise((resolve) => server?.once('exit', resolve));
      server.kill('SIGKILL');
      await ended;
    }
    await connection?.close().catch(() => undefined);
    await eventually(() => run('umount', [mounted]));
  }
}
