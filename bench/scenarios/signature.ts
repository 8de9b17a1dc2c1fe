import { Scenario } from './scenario';

/** What it costs to verify the signature of an AWS SDK's request, apart from everything else. */
export const signature: Scenario = {
  name: 'signature',
  title: "verifying an AWS SDK's signature",
  metrics: [{ key: 'cpu', title: 'CPU per request', unit: 'µs', better: 'lower', digits: 1 }],
  suits: ({ dialect }) => dialect === 'hearth',
  job: (target, { warmUpMs, measureMs }) => ({ kind: 'verify', target, warmUpMs, measureMs }),
  // It runs in the generator: the server beside it is idle.
  evaluate: ({ accepted, seconds, generatorCpu }) => ({ cpu: (generatorCpu * seconds * 1e6) / accepted }),
};
