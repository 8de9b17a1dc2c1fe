import { cpuSeconds, Scenario } from './scenario';

/** Of the members that come in, so many are measured: the list is nearly full then. */
const MEASURED = 100;

/** Members of one presence channel that come in one by one, and half of them leaving at once. */
export const presence: Scenario = {
  name: 'presence',
  title: 'members of one presence channel',
  metrics: [
    { key: 'p50', title: 'from connecting until all members know, p50', unit: 'ms', better: 'lower', digits: 1 },
    { key: 'p99', title: 'p99', unit: 'ms', better: 'lower', digits: 1 },
    { key: 'leaving', title: 'half of them leave at once, until all is known', unit: 's', better: 'lower', digits: 2 },
    { key: 'cpuNode', title: 'CPU per delivered change, Node process', unit: 'µs', better: 'lower', digits: 1 },
    { key: 'cpuAll', title: 'CPU per delivered change, all processes', unit: 'µs', better: 'lower', digits: 1 },
  ],
  suits: ({ name }) => name === 'hearth',
  job: (target, { presenceMembers }) => ({
    kind: 'presence',
    target,
    members: presenceMembers,
    measured: Math.min(MEASURED, presenceMembers / 2),
    leaving: Math.floor(presenceMembers / 2),
  }),
  evaluate({ deliveries, latency, leavingSeconds }, usage) {
    const cpu = cpuSeconds(usage);
    return {
      p50: latency?.p50Ms ?? NaN,
      p99: latency?.p99Ms ?? NaN,
      leaving: leavingSeconds ?? NaN,
      cpuNode: (cpu.node * 1e6) / deliveries,
      cpuAll: (cpu.all * 1e6) / deliveries,
    };
  },
};
