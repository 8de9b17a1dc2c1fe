import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/** Systems take the local ports of outgoing connections from above these (Linux from 32768, macOS from 49152). */
const [LOWEST, HIGHEST] = [10_000, 32_000];
const ATTEMPTS = 100;

/**
 * A TCP port that is free on 127.0.0.1 right now, and that no outgoing connection can take before it is listened on, or
 * while the process that has it is restarted: one that the system gives out could become the local port of any.
 *
 * @param preferred taken when it is free: the port of the last start, so that it stays the same where it can
 */
export async function freePort(preferred?: number): Promise<number> {
  if (preferred !== undefined && (await isFree(preferred))) return preferred;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const port = randomInt(LOWEST, HIGHEST);
    if (await isFree(port)) return port;
  }
  throw new Error(`no free port of 127.0.0.1 was found in ${ATTEMPTS} attempts`);
}

/** Whether a TCP port of 127.0.0.1 can be listened on right now. */
export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}
