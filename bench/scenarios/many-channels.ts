import { cpuSeconds, Scenario } from './scenario';

/** Many channels with few subscribers each, at a fixed rate: how long a message takes when nothing is at its limit. */
export const manyChannels: Scenario = {
  name: 'many-channels',
  title: 'many channels at a fixed rate',
  metrics: [
    { key: 'p50', title: 'publish to socket, p50', unit: 'ms', better: 'lower', digits: 2 },
    { key: 'p99', title: 'publish to socket, p99', unit: 'ms', better: 'lower', digits: 2 },
    { key: 'max', title: 'publish to socket, max', unit: 'ms', better: 'lower', digits: 1 },
    { key: 'cpuNode', title: 'CPU, Node process', unit: '% of a core', better: 'lower', digits: 0 },
    { key: 'cpuAll', title: 'CPU, all processes', unit: '% of a core', better: 'lower', digits: 0 },
  ],
  suits: () => true,
  job: (target, sizes) => ({
    kind: 'fixed-rate',
    target,
    warmUpMs: sizes.warmUpMs,
    // Twice as long as elsewhere: a 99th percentile needs its one percent to be many.
    measureMs: sizes.measureMs * 2,
    subscribers: sizes.channelSubscribers,
    channels: sizes.channels,
    messagesPerSecond: sizes.messagesPerSecond,
  }),
  evaluate({ latency, seconds }, usage) {
    const cpu = cpuSeconds(usage);
    return {
      p50: latency?.p50Ms ?? NaN,
      p99: latency?.p99Ms ?? NaN,
      max: latency?.maxMs ?? NaN,
      cpuNode: (cpu.node * 100) / seconds,
      cpuAll: (cpu.all * 100) / seconds,
    };
  },
};
