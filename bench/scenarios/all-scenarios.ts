import { connections } from './connections';
import { fanOutOne, fanOutSixteen } from './fan-out';
import { manyChannels } from './many-channels';
import { batch, publish, stored } from './publish';
import { Scenario } from './scenario';

/** In the order they are run and reported. */
export const SCENARIOS: readonly Scenario[] = [
  fanOutOne,
  fanOutSixteen,
  manyChannels,
  publish,
  batch,
  stored,
  connections,
];
