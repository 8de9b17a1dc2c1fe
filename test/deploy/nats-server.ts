import { readFileSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'nats';
import { natsVersionOf } from '@hearth/embedded';
import { knowsSyncInterval } from '@hearth/stream';
import { freePort } from '../support/free-port';
import { projectFolder, type ComposeService } from './compose-file';
import { startProgram } from './program';

/** A nats-server with `deploy/nats.conf`. */
export interface NatsFromCompose {
  /** `127.0.0.1:<port>` */
  readonly address: string;
  stop(): Promise<void>;
}

/**
 * Starts NATS as `service` of the compose file says, on free ports and an empty store. A server before 2.10 gets its file
 * without `sync_interval`.
 */
export async function startNatsFromCompose(service: ComposeService): Promise<NatsFromCompose> {
  const program = process.env.HEARTH_TEST_NATS_SERVER ?? 'nats-server';
  const folder = await mkdtemp(join(tmpdir(), 'hearth-test-nats-'));
  const [port, monitorPort] = [await freePort(), await freePort()];
  const written = readFileSync(join(projectFolder, 'deploy/nats.conf'), 'utf8');
  const local = written.replace('store_dir: /data', `store_dir: ${JSON.stringify(join(folder, 'data'))}`);
  const config = knowsSyncInterval(await natsVersionOf(program)) ? local : local.replace(/^\s*sync_interval:.*$/m, '');
  await writeFile(join(folder, 'nats.conf'), config);
  const ports = ['--addr', '127.0.0.1', '--port', String(port), '--http_port', String(monitorPort)];
  const server = await startProgram({
    program,
    args: ['--config', join(folder, 'nats.conf'), ...ports],
    env: service.environment ?? {},
    folder,
    ready: async () => {
      const token = service.environment?.NATS_TOKEN;
      const connection = await connect({ servers: `127.0.0.1:${port}`, token, reconnect: false });
      await connection.jetstreamManager().finally(() => connection.close());
    },
  });
  return { address: `127.0.0.1:${port}`, stop: () => server.stop() };
}
