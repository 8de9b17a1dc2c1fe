import { Backend } from './backend';
import { Cluster, type NatsSize } from './cluster';
import type { Blow, Fault, Step } from './fault-plan';
import { keepLogs } from './kept-logs';
import { Chaos } from './round';
import { RunTable } from './run-table';

/**
 * Two short chaos runs whose plans are written down, first with one nats-server, then with three. `npm run chaos` makes its own,
 * of all faults (docs/reliability.md).
 */
const running: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of running.splice(0).reverse()) await one.stop();
});

/** Of the load: who publishes what, and when restless clients leave. */
const SEED = 10;
/** Past the lease of a sequencer: another owns its partitions when it goes on. */
const BEYOND_LEASE_MS = 6_500;

const blow = (fault: Fault, ms = 0, target = 0): Blow => ({ fault, target, ms, choice: 0 });
const step = (...blows: Blow[]): Step => ({ blows, pauseMs: 300 });

/** @returns how often two subscribers that stay were disconnected, by the gateway they began with, and what calls for somebody */
async function survive(nats: NatsSize, steps: readonly Step[]) {
  const backend = await Backend.start();
  running.push(backend);
  const cluster = await Cluster.start({ nats, ownPostgres: true, hasProxies: true, webhookUrl: backend.url });
  running.push(cluster);
  const chaos = new Chaos(cluster, backend, 40);
  const result = await chaos.round(`nats-${nats}`, SEED, steps);
  const missing = await chaos.finish();
  process.stdout.write(`${RunTable.line(result)}\n`);
  if (!RunTable.isSpotless(result)) process.stdout.write(`logs: ${keepLogs(`ci-${nats}`, cluster, result)}\n`);
  const broken = Object.entries(result.counts).filter(([, count]) => count > 0);
  expect({ broken, missing, examples: result.examples, skipped: result.skipped }).toEqual({
    broken: [],
    missing: [],
    examples: [],
    skipped: [],
  });
  // Enough for the promises to mean something, also on a machine that has a third of the usual speed.
  expect(result.told.acked).toBeGreaterThan(400);
  return { disconnections: result.disconnections, troubles: cluster.troubles };
}

it('loses, doubles and inverts nothing while processes are killed and paused, and connections are cut', async () => {
  const { disconnections, troubles } = await survive(1, [
    // First, because its connections are buried last.
    step(blow('kill gateway', 500), blow('kill webhooks', 500)),
    step(blow('kill publish-api', 500), blow('kill history', 500)),
    step(blow('kill sequencer', 500)),
    step(blow('restart NATS'), blow('cut database connections', 1_000)),
    step(blow('pause sequencer', BEYOND_LEASE_MS, 1)),
    step(blow('lose messages to gateway', 2_000, 1), blow('freeze Postgres', 2_000)),
  ]);
  const [onKilledGateway, onOtherGateway] = disconnections;
  expect(onKilledGateway).toBeGreaterThan(0);
  expect(onOtherGateway).toBe(0);
  // Whoever is in the middle of something says so as a WARN: nobody has to come.
  expect(troubles).toEqual([]);
});

it('nor with three nats-servers that die, change their leaders, lose each other and a stream', async () => {
  await survive(3, [
    step(blow('step down leaders'), blow('lose messages to gateway', 2_000)),
    step(blow('kill both sequencers', 500), blow('kill Postgres', 500)),
    step(blow('kill NATS', 1_000), blow('kill publish-api', 500)),
    step(blow('cut NATS node off', 4_000, 1), blow('silence gateway', 3_000)),
    step(blow('delete deliver stream')),
  ]);
});
