import { setTimeout as sleep } from 'node:timers/promises';
import { Audience } from '../audience';
import { DeliveryLog } from '../delivery-log';
import { collectFaults } from '../faults';
import { Histogram } from '../histogram';
import { Measurement, SchedulesJob } from '../job';
import { Publisher } from '../publisher';
import { Announce, drain } from '../window-clock';

/** Time to park everything, with much to spare, and to come to rest. */
const PARKING_MS = 3_000;
const PARKING_MS_EACH = 1;
/** So long before the due time the server's CPU is read. */
const READY_MS = 500;
const DRAIN_MS = 60_000;
/** What fires a second time does so a little later. */
const REPEATS_MS = 1_000;

/** Parks messages that are due in the same second, and measures by how much each comes late; none may come early. */
export async function runSchedules(job: SchedulesJob, announce: Announce): Promise<Measurement> {
  const late = new Histogram();
  let early = 0;
  const log = new DeliveryLog(job.channels, () => {
    const lateMs = Date.now() - dueMs;
    if (lateMs < 0) early++;
    late.record(lateMs * 1000);
  });
  const audience = new Audience(job.target, job.channels, job.channels, log);
  await audience.open();

  const dueMs = Math.ceil((Date.now() + PARKING_MS + job.schedules * PARKING_MS_EACH) / 1000) * 1000;
  const requests = job.schedules / job.batchSize;
  let sent = 0;
  const publisher = new Publisher(
    job.target,
    { channels: job.channels, batchSize: job.batchSize, storeSeconds: 0, dueMs },
    parkNext,
  );
  function parkNext(): void {
    if (sent < requests && publisher.publish((sent * job.batchSize) % job.channels)) sent++;
  }
  await publisher.open(job.connections);
  for (let i = 0; i < job.connections; i++) parkNext();
  await drain(() => sent === requests && publisher.inFlight === 0, dueMs - READY_MS - Date.now());
  publisher.close();
  if (sent < requests || publisher.inFlight > 0) throw new Error('the server took too long to accept the schedules');

  await sleep(dueMs - READY_MS - Date.now());
  await announce('start');
  const cpuBefore = process.cpuUsage();
  await drain(() => log.received >= job.schedules, dueMs - Date.now() + DRAIN_MS);
  const seconds = (Date.now() - dueMs) / 1000;
  const cpu = process.cpuUsage(cpuBefore);
  await announce('end');
  await sleep(REPEATS_MS);

  const complaints = [...publisher.complaints, ...audience.lost().slice(0, 3)];
  const faults = { ...collectFaults(audience, log, publisher), early };
  audience.close();
  return {
    seconds,
    deliveries: log.received,
    accepted: publisher.accepted,
    connected: 0,
    latency: late.summary(),
    generatorCpu: (cpu.user + cpu.system) / 1e6 / seconds,
    faults,
    complaints,
  };
}
