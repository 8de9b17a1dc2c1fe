import build from './build';
import { findTestNatsServer, startTestPostgres } from './support/servers';

declare global {
  // The set-up and the teardown run in one process and share nothing else.
  var stopHearthTestServers: (() => Promise<void>) | undefined;
}

/** Before spec files that need servers: one Postgres for all of them, and a nats-server program for each to start its own. */
export default async function setUp(): Promise<void> {
  build();
  const [stop] = await Promise.all([startTestPostgres(), findTestNatsServer()]);
  globalThis.stopHearthTestServers = stop;
  // The server is in a process group of its own, so Ctrl-C reaches only us.
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    process.once(signal, () => void stop().finally(() => process.exit(code)));
  }
}
