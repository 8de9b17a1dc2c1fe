import { connections } from './connections';
import { fanOutOne, fanOutSixteen } from './fan-out';
import { manyChannels } from './many-channels';
import { presence } from './presence';
import { batch, lambda, publish, stored } from './publish';
import { Scenario } from './scenario';
import { schedules } from './schedules';
import { signature } from './signature';

/** In the order they are run and reported. */
export const SCENARIOS: readonly Scenario[] = [
  fanOutOne,
  fanOutSixteen,
  manyChannels,
  publish,
  lambda,
  signature,
  batch,
  stored,
  connections,
  presence,
  schedules,
];
