// Starts the embedded servers on the folder given as argument and tells their addresses in one line of JSON.
// A process of its own, so that a test can kill it as a user's machine would.
import { startEmbeddedServers } from '../../libs/embedded/src/embedded-servers';

async function main(): Promise<void> {
  const [, , dataDir = ''] = process.argv;
  const interrupted = new AbortController();
  const signalled = new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => {
        interrupted.abort(new Error('interrupted'));
        resolve();
      });
    }
  });
  const log = (line: string): void => void process.stderr.write(`${line}\n`);
  const servers = await startEmbeddedServers({ dataDir, log, signal: interrupted.signal });
  process.stdout.write(`${JSON.stringify({ databaseUrl: servers.databaseUrl, natsUrl: servers.natsUrl })}\n`);
  // Without this nothing would keep the process alive: the servers are no part of it.
  const alive = setInterval(() => {}, 60_000);
  await signalled;
  await servers.stop();
  clearInterval(alive);
}

main().catch((error: unknown) => {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
});
