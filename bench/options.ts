import { parseArgs } from 'node:util';
import { PEERS, USUAL_PEERS } from './peers/all-peers';
import { Peer } from './peers/peer';
import { SCENARIOS } from './scenarios/all-scenarios';
import { Scenario } from './scenarios/scenario';

export interface Options {
  readonly scenarios: readonly Scenario[];
  readonly peers: readonly Peer[];
  readonly repetitions: number;
  readonly quick: boolean;
  /** Exit with an error when a floor is missed. */
  readonly assert: boolean;
  /** Folder for one CPU profile per server and run. */
  readonly profileDir: string | undefined;
}

export const USAGE = `npm run bench -- [options]

  --only a,b      scenarios: ${SCENARIOS.map(({ name }) => name).join(', ')}
  --peers a,b     servers: ${PEERS.map(({ name }) => name).join(', ')}
                  (${USUAL_PEERS.map(({ name }) => name).join(', ')})
  --reps n        runs of each (3)
  --quick         a small run of everything, to see that it works
  --assert        fail when a floor is missed
  --profile dir   write a CPU profile of each server's Node process`;

function pick<T extends { readonly name: string }>(all: readonly T[], names: string): T[] {
  return names.split(',').map((name) => {
    const found = all.find((one) => one.name === name);
    if (!found) throw new Error(`"${name}" is none of ${all.map((one) => one.name).join(', ')}`);
    return found;
  });
}

/**
 * Reads the command line.
 * @returns `undefined` when only help was asked for
 * @throws Error naming what is wrong with it
 */
export function parseOptions(args: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string' },
      peers: { type: 'string' },
      reps: { type: 'string' },
      quick: { type: 'boolean', default: false },
      assert: { type: 'boolean', default: false },
      profile: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return undefined;
  const repetitions = Number(values.reps ?? (values.quick ? 1 : 3));
  if (!Number.isInteger(repetitions) || repetitions < 1) throw new Error('--reps needs a whole number above 0');
  return {
    scenarios: values.only === undefined ? SCENARIOS : pick(SCENARIOS, values.only),
    peers: values.peers === undefined ? USUAL_PEERS : pick(PEERS, values.peers),
    repetitions,
    quick: values.quick,
    assert: values.assert,
    profileDir: values.profile,
  };
}
