import { createServer } from 'node:net';

/**
 * A TCP port that is free on 127.0.0.1 right now.
 *
 * @param preferred taken when it is free: the port of the last start, so that it stays the same where it can
 */
export async function freePort(preferred?: number): Promise<number> {
  if (preferred !== undefined) {
    try {
      return await tryPort(preferred);
    } catch {
      // Someone else has it now.
    }
  }
  return tryPort(0);
}

function tryPort(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      const address = server.address();
      server.close(() => {
        if (address === null || typeof address === 'string') reject(new Error('the listener has no port'));
        else resolve(address.port);
      });
    });
  });
}
