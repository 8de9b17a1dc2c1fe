import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ScratchDatabase } from '../../db/scratch-database';
import { createDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import { freePort } from '../support/free-port';
import { startApp, type AppName } from '../support/process';

/** A third of a cluster: alone, its JetStream has no leader. */
async function startThird(n: number, ports: readonly number[], clusterPorts: readonly number[], folder: string) {
  const routes = clusterPorts.map((port) => `nats://127.0.0.1:${port}`).join(',');
  const args = ['-a', '127.0.0.1', '-p', String(ports[n]), '-n', `n${n}`, '-js', '-sd', join(folder, `n${n}`)];
  const cluster = ['--cluster_name', 'c', '--cluster', `nats://127.0.0.1:${clusterPorts[n]}`, '--routes', routes];
  return spawn(process.env.HEARTH_TEST_NATS_SERVER!, [...args, ...cluster], { stdio: 'ignore' });
}

describe('a service that is started while JetStream has no leader', () => {
  let folder: string;
  let database: ScratchDatabase;
  const servers: ChildProcess[] = [];

  beforeAll(async () => {
    [folder, database] = await Promise.all([mkdtemp(join(tmpdir(), 'hearth-test-start-')), createDatabase()]);
  });
  afterAll(async () => {
    for (const server of servers) if (server.kill()) await once(server, 'exit');
    await Promise.all([rm(folder, { recursive: true, force: true }), database.drop()]);
  });

  it('waits, says for what, and is ready when there is one', async () => {
    const ports = await Promise.all([freePort(), freePort(), freePort()]);
    const clusterPorts = await Promise.all([freePort(), freePort(), freePort()]);
    servers.push(await startThird(0, ports, clusterPorts, folder));
    const names: AppName[] = ['sequencer', 'gateway', 'publish-api', 'hearth'];
    const adminPorts = await Promise.all(names.map(() => freePort()));
    const starts = names.map((name, index) =>
      startApp(name, {
        HEARTH_NATS_URL: `nats://127.0.0.1:${ports[0]}`,
        HEARTH_DATABASE_URL: database.url,
        HEARTH_HTTP_API_KEY_1: 'k'.repeat(32),
        HEARTH_PARTITIONS: '2',
        HEARTH_DRAIN_SECONDS: '0',
        HEARTH_DATA_DIR: join(folder, 'data'),
        HEARTH_ADMIN_PORT: String(adminPorts[index]),
      }),
    );
    try {
      for (const port of adminPorts) {
        await eventually(async () => {
          const response = await fetch(`http://127.0.0.1:${port}/readyz`);
          const { checks } = (await response.json()) as { checks: Record<string, string> };
          expect([response.status, checks.streams]).toEqual([503, expect.stringMatching(/JetStream|no answer/)]);
        });
      }
      servers.push(await startThird(1, ports, clusterPorts, folder), await startThird(2, ports, clusterPorts, folder));
      const apps = await Promise.all(starts);
      for (const app of apps) expect(app.lines.join('\n')).toMatch(/Waiting for NATS: JetStream/);
    } finally {
      for (const start of await Promise.allSettled(starts)) {
        if (start.status === 'fulfilled') await start.value.stop();
      }
    }
  }, 120_000);
});
