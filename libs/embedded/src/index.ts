export { lockDataDir, openDataDir } from './data-dir';
export { startEmbeddedServers, type EmbeddedServers, type EmbeddedServersOptions } from './embedded-servers';
export { findNatsServer, natsVersionOf, type NatsServerSource } from './find-nats-server';
export { freePort } from './free-port';
export { loadOrCreateKeys, newAccessKey, newApiKey } from './keys-file';
export { officialRelease } from './nats-release';
export { startEmbeddedPostgres, type EmbeddedPostgres } from './embedded-postgres';
export { processIdentity } from './processes';
