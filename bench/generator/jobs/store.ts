import { Audience } from '../audience';
import { DeliveryLog } from '../delivery-log';
import { collectFaults } from '../faults';
import { Histogram } from '../histogram';
import { countHistory } from '../history';
import { Measurement, StoreJob } from '../job';
import { Publisher } from '../publisher';
import { Announce, drain, measureWindow } from '../window-clock';

/** Longer than elsewhere: what was accepted faster than stored has to be worked off. */
const DRAIN_MS = 60_000;

/**
 * Publishes with `store`, as fast as the server answers. A stored message is sent on only after its transaction has
 * committed, so one subscriber on each channel counts the commits; some channels are then read back and counted, to
 * prove it.
 */
export async function runStore(job: StoreJob, announce: Announce): Promise<Measurement> {
  let running = true;
  let turn = 0;
  const log = new DeliveryLog(job.channels);
  const audience = new Audience(job.target, job.channels, job.channels, log);
  const shape = { channels: job.channels, batchSize: 1, storeSeconds: job.storeSeconds };
  const publisher = new Publisher(job.target, shape, publishNext);

  function publishNext(): void {
    if (running && publisher.publish(turn % job.channels)) turn++;
  }

  await audience.open();
  await publisher.open(job.connections);
  for (let i = 0; i < job.connections; i++) publishNext();
  const window = await measureWindow(
    job,
    announce,
    () => ({ deliveries: log.received, accepted: publisher.accepted }),
    () => (publisher.answers = new Histogram()),
  );
  running = false;
  await drain(() => publisher.inFlight === 0 && log.received >= publisher.accepted, DRAIN_MS);

  let notStored = 0;
  for (const subscriber of audience.subscribers.slice(0, job.channelsReadBack)) {
    const found = await countHistory(job.target, subscriber);
    notStored += Math.abs((publisher.acceptedByChannel[subscriber.channel] ?? 0) - found);
  }
  const complaints = [...publisher.complaints, ...audience.lost().slice(0, 3)];
  const faults = { ...collectFaults(audience, log, publisher), notStored };
  publisher.close();
  audience.close();
  return { ...window, connected: 0, answer: publisher.answers.summary(), faults, complaints };
}
