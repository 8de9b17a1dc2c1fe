import { randomInt } from 'node:crypto';
import { freePort } from '../support/free-port';

/** Systems take the local ports of outgoing connections from above these (Linux from 32768, macOS from 49152). */
const [LOWEST, HIGHEST] = [10_000, 32_000];

/**
 * A free port of 127.0.0.1 that stays free while the process that had it is down: one that the system gave out could
 * become the local port of any outgoing connection meanwhile.
 */
export async function lastingPort(): Promise<number> {
  for (;;) {
    const port = randomInt(LOWEST, HIGHEST);
    if ((await freePort(port)) === port) return port;
  }
}
