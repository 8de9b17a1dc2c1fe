import { Door } from '../generator/job';
import { cpuSeconds, Metric, Scenario } from './scenario';

/** Channels the publishes go to in turn. */
const CHANNELS = 64;
/** The largest batch a request may hold (publish-api §1, P6). */
const BATCH_SIZE = 100;
const STORE_SECONDS = 3600;
/** Channels whose whole history is read back: enough to prove the count, few enough to stay quick. */
const CHANNELS_READ_BACK = 4;

const CPU: readonly Metric[] = [
  { key: 'cpuNode', title: 'CPU per message, Node process', unit: 'µs', better: 'lower', digits: 1 },
  { key: 'cpuAll', title: 'CPU per message, all processes', unit: 'µs', better: 'lower', digits: 1 },
];

/** Publishes nobody listens to, one message a request or many. */
function publishOnly(
  name: 'publish' | 'lambda' | 'batch',
  title: string,
  batchSize: number,
  door: Door = 'http',
): Scenario {
  return {
    name,
    title,
    metrics: [
      { key: 'accepted', title: 'messages accepted', unit: '/s', better: 'higher', digits: 0 },
      { key: 'answerP50', title: 'answer, p50', unit: 'ms', better: 'lower', digits: 2 },
      { key: 'answerP99', title: 'answer, p99', unit: 'ms', better: 'lower', digits: 2 },
      ...CPU,
    ],
    suits: ({ dialect }) => door === 'http' || dialect === 'hearth',
    job: (target, { warmUpMs, measureMs, publishConnections }) => ({
      kind: 'publish',
      target,
      warmUpMs,
      measureMs,
      connections: publishConnections,
      channels: CHANNELS,
      batchSize,
      door,
    }),
    evaluate({ accepted, seconds, answer }, usage) {
      const cpu = cpuSeconds(usage);
      return {
        accepted: accepted / seconds,
        answerP50: answer?.p50Ms ?? NaN,
        answerP99: answer?.p99Ms ?? NaN,
        cpuNode: (cpu.node * 1e6) / accepted,
        cpuAll: (cpu.all * 1e6) / accepted,
      };
    },
  };
}

export const publish = publishOnly('publish', 'publish only, one message a request', 1);
export const lambda = publishOnly('lambda', 'publish only, as an AWS SDK does, signed', 1, 'lambda');
export const batch = publishOnly('batch', `publish only, ${BATCH_SIZE} messages a request`, BATCH_SIZE);

/** Publishes that are kept: what comes out of the log each second, while as much is accepted as the server likes. */
export const stored: Scenario = {
  name: 'stored',
  title: 'publish with storage',
  metrics: [
    { key: 'stored', title: 'messages stored', unit: '/s', better: 'higher', digits: 0 },
    { key: 'accepted', title: 'messages accepted meanwhile', unit: '/s', better: 'higher', digits: 0 },
    { key: 'answerP99', title: 'answer, p99', unit: 'ms', better: 'lower', digits: 2 },
    ...CPU,
  ],
  suits: ({ stores }) => stores,
  job: (target, { warmUpMs, measureMs, publishConnections }) => ({
    kind: 'store',
    target,
    warmUpMs,
    measureMs,
    connections: publishConnections,
    channels: CHANNELS,
    storeSeconds: STORE_SECONDS,
    channelsReadBack: CHANNELS_READ_BACK,
  }),
  evaluate({ accepted, deliveries, seconds, answer }, usage) {
    const cpu = cpuSeconds(usage);
    return {
      stored: deliveries / seconds,
      accepted: accepted / seconds,
      answerP99: answer?.p99Ms ?? NaN,
      cpuNode: (cpu.node * 1e6) / deliveries,
      cpuAll: (cpu.all * 1e6) / deliveries,
    };
  },
};
