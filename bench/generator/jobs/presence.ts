import { Audience } from '../audience';
import { NO_FAULTS } from '../faults';
import { Histogram } from '../histogram';
import { Measurement, PresenceJob, Target } from '../job';
import { nowMicros } from '../payload';
import { Changes, PresenceLog } from '../presence-log';
import { Announce, drain } from '../window-clock';

const CHANNEL = 'presence.bench';
/** How long the last change may take to reach everybody. */
const DRAIN_MS = 60_000;

/**
 * Fills a presence channel, measures how long it takes until every member knows of a new one, and then how long until
 * everybody who stays knows of all who left together. Each must hear of each exactly once.
 */
export async function runPresence(job: PresenceJob, announce: Announce): Promise<Measurement> {
  const log = new PresenceLog();
  const audience = new Audience(job.target, job.members, 1, log, () => CHANNEL);
  const { subscribers } = audience;
  const first = job.members - job.measured;
  await audience.open(undefined, subscribers.slice(0, first));
  // Each heard of those that came after it.
  await drain(() => log.added.total >= (first * (first - 1)) / 2, DRAIN_MS);

  await announce('start');
  const latency = new Histogram();
  const cpuBefore = process.cpuUsage();
  const startedAt = performance.now();
  const deliveredBefore = log.added.total;
  for (let index = first; index < job.members; index++) {
    const before = log.added.total;
    const since = nowMicros();
    log.added.expect(before + index, () => latency.record(nowMicros() - since));
    await audience.open(1, subscribers.slice(index, index + 1));
    await drain(() => log.added.total >= before + index, DRAIN_MS);
  }
  const seconds = (performance.now() - startedAt) / 1000;
  const cpu = process.cpuUsage(cpuBefore);
  const deliveries = log.added.total - deliveredBefore;
  await announce('end');

  const staying = subscribers.slice(job.leaving);
  const removals = staying.length * job.leaving;
  const leftAt = performance.now();
  let leavingSeconds = NaN;
  log.removed.expect(removals, () => (leavingSeconds = (performance.now() - leftAt) / 1000));
  for (const subscriber of subscribers.slice(0, job.leaving)) subscriber.close();
  await drain(() => log.removed.total >= removals, DRAIN_MS);

  const expectedAdded = (job.members * (job.members - 1)) / 2;
  const missing = (changes: Changes, expected: number): number => Math.max(0, expected - changes.distinct);
  const lost = staying.flatMap((subscriber) => subscriber.lost ?? []);
  const count = await subscriptionsCount(job.target);
  audience.close();
  return {
    seconds,
    deliveries,
    accepted: 0,
    connected: job.measured,
    latency: latency.summary(),
    leavingSeconds,
    generatorCpu: (cpu.user + cpu.system) / 1e6 / seconds,
    faults: {
      ...NO_FAULTS,
      missing: missing(log.added, expectedAdded) + missing(log.removed, removals),
      duplicates: log.added.duplicates + log.removed.duplicates,
      misrouted: count === staying.length ? 0 : 1,
      lostConnections: lost.length,
    },
    complaints: [...lost.slice(0, 3), ...(count === staying.length ? [] : [`${count} subscriptions are counted`])],
  };
}

async function subscriptionsCount({ port, apiKey }: Target): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${port}/channels/${CHANNEL}`, {
    headers: { authorization: `Bearer ${apiKey}` },
  });
  return ((await response.json()) as { subscriptionsCount: number }).subscriptionsCount;
}
