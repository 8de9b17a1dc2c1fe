import { cpuSeconds, Scenario } from './scenario';

const CHANNELS = 100;
/** The largest batch a request may hold (publish-api §1, P6). */
const BATCH_SIZE = 100;

/** Many messages that are due in the same second: how late they come. */
export const schedules: Scenario = {
  name: 'schedules',
  title: 'schedules that are due in one second',
  metrics: [
    { key: 'p50', title: 'late by, p50', unit: 'ms', better: 'lower', digits: 0 },
    { key: 'p99', title: 'late by, p99', unit: 'ms', better: 'lower', digits: 0 },
    { key: 'last', title: 'late by, the last', unit: 'ms', better: 'lower', digits: 0 },
    { key: 'cpuNode', title: 'CPU per schedule, Node process', unit: 'µs', better: 'lower', digits: 1 },
    { key: 'cpuAll', title: 'CPU per schedule, all processes', unit: 'µs', better: 'lower', digits: 1 },
  ],
  suits: ({ name }) => name === 'hearth',
  job: (target, { schedules: count, publishConnections }) => ({
    kind: 'schedules',
    target,
    schedules: count,
    connections: publishConnections,
    channels: CHANNELS,
    batchSize: BATCH_SIZE,
  }),
  evaluate({ deliveries, latency }, usage) {
    const cpu = cpuSeconds(usage);
    return {
      p50: latency?.p50Ms ?? NaN,
      p99: latency?.p99Ms ?? NaN,
      last: latency?.maxMs ?? NaN,
      cpuNode: (cpu.node * 1e6) / deliveries,
      cpuAll: (cpu.all * 1e6) / deliveries,
    };
  },
};
