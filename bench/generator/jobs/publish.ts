import { NO_FAULTS } from '../faults';
import { Histogram } from '../histogram';
import { Measurement, PublishJob } from '../job';
import { Publisher } from '../publisher';
import { Announce, drain, measureWindow } from '../window-clock';

const DRAIN_MS = 10_000;

/** Publishes as fast as the server answers, one request in flight on each connection. */
export async function runPublish(job: PublishJob, announce: Announce): Promise<Measurement> {
  let running = true;
  let turn = 0;
  const shape = { channels: job.channels, batchSize: job.batchSize, storeSeconds: 0, door: job.door };
  const publisher = new Publisher(job.target, shape, publishNext);

  function publishNext(): void {
    if (running && publisher.publish(turn % job.channels)) turn++;
  }

  await publisher.open(job.connections);
  for (let i = 0; i < job.connections; i++) publishNext();
  const window = await measureWindow(
    job,
    announce,
    () => ({ deliveries: 0, accepted: publisher.accepted }),
    () => (publisher.answers = new Histogram()),
  );
  running = false;
  await drain(() => publisher.inFlight === 0, DRAIN_MS);
  publisher.close();
  return {
    ...window,
    connected: 0,
    answer: publisher.answers.summary(),
    faults: { ...NO_FAULTS, refused: publisher.refused },
    complaints: publisher.complaints,
  };
}
