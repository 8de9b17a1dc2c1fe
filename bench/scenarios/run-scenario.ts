import { Faults, Mark, Measurement, Target } from '../generator/job';
import { runJob } from '../generator/generator-process';
import { Peer, PeerName, startPeer } from '../peers/peer';
import { TreeSample } from '../process-stats';
import { Scenario, ScenarioName, Sizes } from './scenario';

/** Connecting, draining and reading back, on top of the measured time. */
const OTHER_PHASES_MS = 120_000;

/** One run of one scenario against one freshly started server. */
export interface Run {
  readonly scenario: ScenarioName;
  readonly peer: PeerName;
  readonly repetition: number;
  readonly metrics: Readonly<Record<string, number>>;
  /** Without them the numbers count; with them the run has failed. */
  readonly failures: readonly string[];
  readonly measurement?: Measurement;
  readonly usage?: Partial<Record<Mark, TreeSample>>;
}

function failuresOf(measurement: Measurement): string[] {
  const faults = (Object.entries(measurement.faults) as [keyof Faults, number][])
    .filter(([, count]) => count !== 0)
    .map(([fault, count]) => `${fault}: ${count}`);
  return faults.length > 0 ? [...faults, ...measurement.complaints] : [];
}

/**
 * Publishes for a while before anybody subscribes, as fast as the server answers. A server that has just started runs
 * code its compiler has not looked at yet, and a scenario that sends eighty messages a second would never show it as it
 * is after its first minute.
 */
async function warmUpCode(target: Target, sizes: Sizes, signal: AbortSignal): Promise<void> {
  const job = {
    kind: 'publish',
    target,
    warmUpMs: 0,
    measureMs: sizes.warmUpMs,
    connections: sizes.publishConnections,
    channels: 1,
    batchSize: 1,
    door: 'http',
  } as const;
  await runJob(job, () => Promise.resolve(), OTHER_PHASES_MS, signal);
}

/** Starts the server, puts the scenario's load on it, stops it. A failure becomes part of the result. */
export async function runScenario(
  scenario: Scenario,
  peer: Peer,
  repetition: number,
  sizes: Sizes,
  nodeFlags: readonly string[],
  signal: AbortSignal,
): Promise<Run> {
  const identity = { scenario: scenario.name, peer: peer.name, repetition };
  try {
    const server = await startPeer(peer, nodeFlags, signal);
    const samples = new Map<Mark, Promise<TreeSample>>();
    const onMark = async (mark: Mark): Promise<void> => {
      const sample = server.processes.sample();
      samples.set(mark, sample);
      await sample;
    };
    try {
      await warmUpCode(server.target, sizes, signal);
      const timeoutMs = sizes.warmUpMs + sizes.measureMs * 2 + OTHER_PHASES_MS;
      const measurement = await runJob(scenario.job(server.target, sizes), onMark, timeoutMs, signal);
      const [start, end, settled] = await Promise.all([
        samples.get('start'),
        samples.get('end'),
        samples.get('settled'),
      ]);
      if (!start || !end) throw new Error('the load generator announced no measured window');
      const metrics = scenario.evaluate(measurement, { start, end, ...(settled && { settled }) });
      return { ...identity, metrics, failures: failuresOf(measurement), measurement, usage: { start, end, settled } };
    } finally {
      await server.stop();
    }
  } catch (error) {
    signal.throwIfAborted();
    return { ...identity, metrics: {}, failures: [error instanceof Error ? error.message : String(error)] };
  }
}
