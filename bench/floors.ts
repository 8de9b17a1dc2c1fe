import { PeerName } from './peers/peer';
import { ScenarioName } from './scenarios/scenario';
import { Summary } from './summary';

/** A promise about Hearth that the bench can check. */
export interface FloorResult {
  readonly title: string;
  readonly passed: boolean;
  readonly detail: string;
}

interface Floor {
  readonly title: string;
  readonly scenario: ScenarioName;
  readonly metric: string;
  /** A number, the median of another server in the same run, or a share of Hearth's own in another scenario. */
  readonly bound: number | PeerName | { readonly share: number; readonly of: ScenarioName };
  readonly kind: 'at least' | 'at most';
}

const FLOORS: readonly Floor[] = [
  {
    title: 'fan-out with 1 in flight keeps up with plain ws (deliveries/s)',
    scenario: 'fan-out-1',
    metric: 'deliveries',
    bound: 'plain-ws',
    kind: 'at least',
  },
  {
    title: 'fan-out with 16 in flight keeps up with plain ws (deliveries/s)',
    scenario: 'fan-out-16',
    metric: 'deliveries',
    bound: 'plain-ws',
    kind: 'at least',
  },
  {
    title: '99 % of 1,000 messages/s reach 5,000 connections in time (ms)',
    scenario: 'many-channels',
    metric: 'p99',
    bound: 10,
    kind: 'at most',
  },
  { title: 'publishes accepted (/s)', scenario: 'publish', metric: 'accepted', bound: 8000, kind: 'at least' },
  {
    title: 'publishes of AWS SDKs keep up with POST /publish (/s)',
    scenario: 'lambda',
    metric: 'accepted',
    bound: { share: 0.6, of: 'publish' },
    kind: 'at least',
  },
  { title: "verifying an AWS SDK's signature (µs)", scenario: 'signature', metric: 'cpu', bound: 300, kind: 'at most' },
  {
    title: 'a new member is known to 1,000 others (ms)',
    scenario: 'presence',
    metric: 'p50',
    bound: 100,
    kind: 'at most',
  },
  {
    title: 'the last of 10,000 schedules due in one second is late by (ms)',
    scenario: 'schedules',
    metric: 'last',
    bound: 2000,
    kind: 'at most',
  },
  { title: 'messages stored (/s)', scenario: 'stored', metric: 'stored', bound: 8000, kind: 'at least' },
];

/** Compares Hearth's medians with the floors; those that were not measured are left out. */
export function checkFloors(summary: Summary): FloorResult[] {
  return FLOORS.flatMap(({ title, scenario, metric, bound, kind }) => {
    const measured = summary.median(scenario, 'hearth', metric);
    const limit = limitOf(summary, scenario, metric, bound);
    if (measured === undefined || limit === undefined) return [];
    const passed = kind === 'at least' ? measured >= limit : measured <= limit;
    const figure = (value: number): string => value.toLocaleString('en-US', { maximumFractionDigits: 2 });
    return { title, passed, detail: `${figure(measured)}, ${kind} ${figure(limit)}` };
  });
}

function limitOf(summary: Summary, scenario: ScenarioName, metric: string, bound: Floor['bound']): number | undefined {
  if (typeof bound === 'number') return bound;
  if (typeof bound === 'string') return summary.median(scenario, bound, metric);
  const whole = summary.median(bound.of, 'hearth', metric);
  return whole === undefined ? undefined : whole * bound.share;
}
