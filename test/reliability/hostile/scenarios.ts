import { setTimeout as delay } from 'node:timers/promises';
import { ATTACKS } from '../figures/attacks';
import { withToken } from './with-token';
import { withoutToken } from './without-token';
import type { Target } from './installation';

/** Goes on until it is told to stop, which it is when its process is ended. */
export type Strike = (target: Target) => Promise<unknown>;

/** An attack, which is made by a process of its own. */
export interface Scenario {
  readonly name: string;
  /**
   * - `nobody`: peers without a token, each of which strikes once a second; each may cost 5 ms of CPU a second (limits §6).
   * - `client`, `backend`: has a token or a key, and does as much as it can.
   */
  readonly who: 'nobody' | 'client' | 'backend';
  /** Every limit is off: turns alone protect the others (limits §5). */
  readonly isUnlimited?: boolean;
  /** One peer's. */
  readonly strike: Strike;
  /** At once; one if not given. */
  readonly peers?: number;
}

/** The hostile input of R15 that needs no credential, one strike after the other. */
const input: readonly Scenario[] = ATTACKS.filter(({ name }) => /^(HTTP, gateway|handshake)/.test(name)).map(
  (attack) => ({
    name: attack.name,
    who: 'nobody',
    peers: 10,
    strike: ({ port, apiKey }) =>
      onceASecond(() => attack.strike({ gatewayPort: port, publishPort: port, apiKey, token: () => '' })),
  }),
);

export const SCENARIOS: readonly Scenario[] = [...withoutToken(onceASecond), ...input, ...withToken];

async function onceASecond(strike: () => Promise<unknown>): Promise<never> {
  for (;;) await Promise.all([strike(), delay(1_000)]);
}
