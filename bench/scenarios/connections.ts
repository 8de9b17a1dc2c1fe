import { cpuSeconds, Scenario } from './scenario';

/** Handshakes in flight: what a server meets when a load balancer moves its clients over. */
const CONCURRENCY = 64;

/** Connections with a token each, opened as fast as they are let in, and what they cost while idle. */
export const connections: Scenario = {
  name: 'connections',
  title: 'connections with token check',
  metrics: [
    { key: 'connects', title: 'connected and subscribed', unit: '/s', better: 'higher', digits: 0 },
    { key: 'cpuNode', title: 'CPU per connect, Node process', unit: 'µs', better: 'lower', digits: 0 },
    { key: 'cpuAll', title: 'CPU per connect, all processes', unit: 'µs', better: 'lower', digits: 0 },
    { key: 'memory', title: 'memory per idle connection, Node process', unit: 'KiB', better: 'lower', digits: 1 },
  ],
  suits: () => true,
  job: (target, { idleConnections, channels, settleMs }) => ({
    kind: 'connect',
    target,
    connections: idleConnections,
    concurrency: CONCURRENCY,
    channels,
    settleMs,
  }),
  evaluate({ connected, seconds }, usage) {
    const cpu = cpuSeconds(usage);
    const { rootRssKiB } = usage.settled ?? usage.end;
    return {
      connects: connected / seconds,
      cpuNode: (cpu.node * 1e6) / connected,
      cpuAll: (cpu.all * 1e6) / connected,
      memory: (rootRssKiB - usage.start.rootRssKiB) / connected,
    };
  },
};
