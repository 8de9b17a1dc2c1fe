import { setTimeout as sleep } from 'node:timers/promises';
import { Audience } from '../audience';
import { DeliveryLog } from '../delivery-log';
import { NO_FAULTS } from '../faults';
import { ConnectJob, Measurement } from '../job';
import { Announce } from '../window-clock';

/** Connections opened and closed beforehand, so that neither side is measured while its code is still cold. */
const WARM_UP_CONNECTIONS = 500;

/** Opens connections as fast as the server lets them in, then leaves them idle until the bench has looked. */
export async function runConnect(job: ConnectJob, announce: Announce): Promise<Measurement> {
  const log = new DeliveryLog(job.channels);
  const warmUp = new Audience(job.target, Math.min(WARM_UP_CONNECTIONS, job.connections), job.channels, log);
  await warmUp.open(job.concurrency);
  warmUp.close();
  await sleep(job.settleMs / 2);

  const audience = new Audience(job.target, job.connections, job.channels, log);
  await announce('start');
  const cpuBefore = process.cpuUsage();
  const startedAt = performance.now();
  await audience.open(job.concurrency);
  const seconds = (performance.now() - startedAt) / 1000;
  const cpu = process.cpuUsage(cpuBefore);
  await announce('end');
  await sleep(job.settleMs);
  await announce('settled');

  const lost = audience.lost();
  audience.close();
  return {
    seconds,
    deliveries: 0,
    accepted: 0,
    connected: job.connections,
    generatorCpu: (cpu.user + cpu.system) / 1e6 / seconds,
    faults: { ...NO_FAULTS, lostConnections: lost.length },
    complaints: lost.slice(0, 3),
  };
}
