export { missingServers, startEmbeddedServers, type EmbeddedServers } from './embedded-servers';
export { findNatsServer, natsVersionOf, type NatsServerSource } from './find-nats-server';
export { freePort, isFree } from './free-port';
export { officialRelease } from './nats-release';
export { lastNatsUrl } from './embedded-nats';
export { lastPostgresUrl, startEmbeddedPostgres } from './embedded-postgres';
export type { RunningServer } from './supervised-server';
