import { Audience } from '../audience';
import { DeliveryLog } from '../delivery-log';
import { collectFaults } from '../faults';
import { Measurement, WindowedJob } from '../job';
import { Publisher } from '../publisher';
import { Announce, drain, measureWindow } from '../window-clock';

/** Power of two above any window: messages in flight are told apart by the low bits of their sequence. */
const RING = 1024;
const DRAIN_MS = 10_000;

/**
 * One channel with many subscribers, as fast as it goes without a growing queue: a message is published whenever fewer
 * than `window` are still on their way to anyone. Publisher and subscribers share a process, so a finished delivery
 * starts the next publish without delay.
 */
export async function runWindowed(job: WindowedJob, announce: Announce): Promise<Measurement> {
  if (job.window >= RING) throw new RangeError(`a window of ${job.window} is too large`);
  const deliveredTo = new Int32Array(RING);
  let sent = 0;
  let completed = 0;
  let running = false;

  const log = new DeliveryLog(1, (sequence) => {
    const slot = sequence & (RING - 1);
    const count = (deliveredTo[slot] ?? 0) + 1;
    deliveredTo[slot] = count;
    if (count < job.subscribers) return;
    deliveredTo[slot] = 0;
    completed++;
    pump();
  });
  const audience = new Audience(job.target, job.subscribers, 1, log);
  const publisher = new Publisher(job.target, { channels: 1, batchSize: 1, storeSeconds: 0 }, pump);

  function pump(): void {
    while (running && sent - completed < job.window && publisher.publish(0)) sent++;
  }

  await audience.open();
  // An answer may come after its delivery: twice the window, so that no message waits for a connection.
  await publisher.open(job.window * 2);
  running = true;
  pump();
  const window = await measureWindow(job, announce, () => ({
    deliveries: log.received,
    accepted: publisher.accepted,
  }));
  running = false;
  await drain(() => publisher.inFlight === 0 && completed >= publisher.accepted, DRAIN_MS);

  const complaints = [...publisher.complaints, ...audience.lost().slice(0, 3)];
  const faults = collectFaults(audience, log, publisher);
  publisher.close();
  audience.close();
  return { ...window, connected: 0, faults, complaints };
}
