import { Job, Measurement, Target } from '../generator/job';
import { Peer } from '../peers/peer';
import { TreeSample } from '../process-stats';

export type ScenarioName =
  | 'fan-out-1'
  | 'fan-out-16'
  | 'many-channels'
  | 'publish'
  | 'lambda'
  | 'signature'
  | 'batch'
  | 'stored'
  | 'connections'
  | 'presence'
  | 'schedules';

/** How large the runs are; see `sizes.ts`. */
export interface Sizes {
  readonly warmUpMs: number;
  readonly measureMs: number;
  readonly fanOutSubscribers: number;
  readonly channels: number;
  readonly channelSubscribers: number;
  readonly messagesPerSecond: number;
  readonly publishConnections: number;
  readonly idleConnections: number;
  readonly settleMs: number;
  readonly presenceMembers: number;
  /** A multiple of 100. */
  readonly schedules: number;
}

/** One number a scenario yields. */
export interface Metric {
  readonly key: string;
  readonly title: string;
  readonly unit: string;
  readonly better: 'higher' | 'lower';
  readonly digits: number;
}

/** The server's CPU and memory during a run. */
export interface Usage {
  readonly start: TreeSample;
  readonly end: TreeSample;
  /** Only of runs that let the server come to rest. */
  readonly settled?: TreeSample;
}

export interface Scenario {
  readonly name: ScenarioName;
  readonly title: string;
  readonly metrics: readonly Metric[];
  /** Whether the server has what is measured. */
  suits(peer: Peer): boolean;
  job(target: Target, sizes: Sizes): Job;
  /** The value of each metric, by key. */
  evaluate(measurement: Measurement, usage: Usage): Readonly<Record<string, number>>;
}

/** CPU seconds between start and end, of the server's Node process and of everything it runs on. */
export function cpuSeconds({ start, end }: Usage): { readonly node: number; readonly all: number } {
  return {
    node: end.rootCpuSeconds - start.rootCpuSeconds,
    all: end.treeCpuSeconds - start.treeCpuSeconds,
  };
}
