/** One attack, until this process is ended: `attacker.ts <name of the scenario> <target as JSON>`. */
import { SCENARIOS } from './scenarios';
import type { Target } from './installation';

const [, , name = '', json = ''] = process.argv;
const target = JSON.parse(json) as Target;
const scenario = SCENARIOS.find((one) => one.name === name);
if (scenario === undefined) throw new Error(`there is no attack "${name}"`);
for (let peer = 0; peer < (scenario.peers ?? 1); peer++) {
  void strikeAgain(() => scenario.strike(target));
}

/** Whatever becomes of it, it is tried again. */
async function strikeAgain(strike: () => Promise<unknown>): Promise<never> {
  for (;;) {
    await strike().catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
