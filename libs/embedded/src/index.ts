export { lockDataDir, openDataDir } from './data-dir';
export { startEmbeddedServers, type EmbeddedServers } from './embedded-servers';
export { findNatsServer, natsVersionOf, type NatsServerSource } from './find-nats-server';
export { freePort, isFree } from './free-port';
export { loadOrCreateKeys, newAccessKey, newApiKey } from './keys-file';
export { officialRelease } from './nats-release';
export { startEmbeddedPostgres } from './embedded-postgres';
export { processIdentity } from './processes';
export type { RunningServer } from './supervised-server';
