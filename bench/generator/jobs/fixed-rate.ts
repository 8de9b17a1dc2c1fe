import { Audience } from '../audience';
import { DeliveryLog } from '../delivery-log';
import { collectFaults } from '../faults';
import { Histogram } from '../histogram';
import { FixedRateJob, Measurement } from '../job';
import { nowMicros, readMicros } from '../payload';
import { Publisher } from '../publisher';
import { Announce, drain, measureWindow } from '../window-clock';

/** Connections to publish over: enough that none is ever waited for unless the server stands still. */
const PUBLISH_CONNECTIONS = 64;
const DRAIN_MS = 10_000;

/**
 * Publishes to the channels in turn at a fixed rate and measures the time from publish to socket. The clock of a
 * message starts when its turn has come, also when it then has to wait because the server answers none of the earlier
 * ones: a server that stands still is not spared.
 */
export async function runFixedRate(job: FixedRateJob, announce: Announce): Promise<Measurement> {
  let latency = new Histogram();
  let measuring = false;
  const log = new DeliveryLog(job.channels, (_sequence, buffer, payloadAt) => {
    if (measuring) latency.record(nowMicros() - readMicros(buffer, payloadAt));
  });
  const audience = new Audience(job.target, job.subscribers, job.channels, log);
  const waiting: { readonly channel: number; readonly micros: number }[] = [];
  const publisher = new Publisher(job.target, { channels: job.channels, batchSize: 1, storeSeconds: 0 }, sendWaiting);

  function sendWaiting(): void {
    for (let next = waiting[0]; next && publisher.publish(next.channel, next.micros); next = waiting[0]) {
      waiting.shift();
    }
  }

  await audience.open();
  await publisher.open(PUBLISH_CONNECTIONS);

  const startedAt = performance.now();
  let turns = 0;
  let lagMs = 0;
  const ticker = setInterval(() => {
    const now = performance.now();
    const due = Math.floor(((now - startedAt) * job.messagesPerSecond) / 1000);
    if (measuring && due > turns) {
      lagMs = Math.max(lagMs, now - startedAt - ((turns + 1) * 1000) / job.messagesPerSecond);
    }
    for (; turns < due; turns++) waiting.push({ channel: turns % job.channels, micros: nowMicros() });
    sendWaiting();
  }, 1);

  const window = await measureWindow(
    job,
    announce,
    () => ({ deliveries: log.received, accepted: publisher.accepted }),
    () => {
      latency = new Histogram();
      publisher.answers = new Histogram();
      measuring = true;
    },
  );
  clearInterval(ticker);
  const expected = (): number =>
    audience.subscribers.reduce((sum, { channel }) => sum + (publisher.acceptedByChannel[channel] ?? 0), 0);
  await drain(() => waiting.length === 0 && publisher.inFlight === 0 && log.received >= expected(), DRAIN_MS);

  const complaints = [...publisher.complaints, ...audience.lost().slice(0, 3)];
  const faults = collectFaults(audience, log, publisher);
  publisher.close();
  audience.close();
  return {
    ...window,
    connected: 0,
    latency: latency.summary(),
    answer: publisher.answers.summary(),
    scheduleLagMs: lagMs,
    faults,
    complaints,
  };
}
