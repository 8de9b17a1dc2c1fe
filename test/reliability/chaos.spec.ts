import { Backend } from './backend';
import { Cluster, type NatsSize } from './cluster';
import type { Blow, Fault, Step } from './fault-plan';
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

/** Past the lease of a sequencer: another owns its partitions when it goes on. */
const BEYOND_LEASE_MS = 6_500;

const blow = (fault: Fault, ms = 0, target = 0): Blow => ({ fault, target, ms, choice: 0 });
const step = (...blows: Blow[]): Step => ({ blows, pauseMs: 300 });

async function survive(nats: NatsSize, steps: readonly Step[]) {
  const backend = await Backend.start();
  running.push(backend);
  const cluster = await Cluster.start({ nats, ownPostgres: true, hasProxies: true, webhookUrl: backend.url });
  running.push(cluster);
  const chaos = new Chaos(cluster, backend, 40);
  const result = await chaos.round(`nats-${nats}`, nats, steps);
  const missing = await chaos.finish();
  process.stdout.write(`${RunTable.line(result)}\n`);
  const broken = Object.entries(result.counts).filter(([, count]) => count > 0);
  expect({ broken, missing, examples: result.examples, skipped: result.skipped }).toEqual({
    broken: [],
    missing: [],
    examples: [],
    skipped: [],
  });
  expect(result.told.acked).toBeGreaterThan(100);
  return { cluster, ...result };
}

it('loses, doubles and inverts nothing while processes are killed and paused, and connections are cut', async () => {
  const { cluster, disconnections } = await survive(1, [
    // First, because its connections are buried last.
    step(blow('kill gateway', 500)),
    step(blow('kill publish-api', 500), blow('kill history', 500)),
    step(blow('kill sequencer', 500)),
    step(blow('restart NATS'), blow('cut database connections', 1_000)),
    step(blow('pause sequencer', BEYOND_LEASE_MS, 1)),
    step(blow('lose messages to gateway', 2_000, 1)),
  ]);
  const [onKilledGateway, onOtherGateway] = disconnections;
  expect(onKilledGateway).toBeGreaterThan(0);
  expect(onOtherGateway).toBe(0);
  // Whoever is in the middle of something says so as a WARN: nobody has to come.
  expect(cluster.troubles).toEqual([]);
});

it('nor with three nats-servers that die, change their leaders and lose each other', async () => {
  await survive(3, [
    // First: events that wait for a stream without a leader for longer than 2 s would end with them, as is said.
    step(blow('kill both sequencers', 500), blow('kill Postgres', 500)),
    step(blow('step down leaders'), blow('lose messages to gateway', 2_000)),
    step(blow('kill NATS', 1_000)),
    step(blow('cut NATS node off', 4_000, 1)),
  ]);
});
