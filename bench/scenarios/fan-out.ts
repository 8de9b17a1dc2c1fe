import { cpuSeconds, Scenario } from './scenario';

/** One channel to many subscribers, with at most `window` messages not yet delivered to all of them. */
function fanOut(name: 'fan-out-1' | 'fan-out-16', window: number): Scenario {
  return {
    name,
    title: `fan-out of one channel, ${window} in flight`,
    metrics: [
      { key: 'deliveries', title: 'deliveries', unit: '/s', better: 'higher', digits: 0 },
      { key: 'cpuNode', title: 'CPU per delivery, Node process', unit: 'µs', better: 'lower', digits: 2 },
      { key: 'cpuAll', title: 'CPU per delivery, all processes', unit: 'µs', better: 'lower', digits: 2 },
    ],
    suits: () => true,
    job: (target, { warmUpMs, measureMs, fanOutSubscribers }) => ({
      kind: 'windowed',
      target,
      warmUpMs,
      measureMs,
      subscribers: fanOutSubscribers,
      window,
    }),
    evaluate({ deliveries, seconds }, usage) {
      const cpu = cpuSeconds(usage);
      return {
        deliveries: deliveries / seconds,
        cpuNode: (cpu.node * 1e6) / deliveries,
        cpuAll: (cpu.all * 1e6) / deliveries,
      };
    },
  };
}

export const fanOutOne = fanOut('fan-out-1', 1);
export const fanOutSixteen = fanOut('fan-out-16', 16);
