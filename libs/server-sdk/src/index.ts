export type { ChannelClaims, Claims, MessageClaims, NumericDate, StorageClaims } from './claims';
export { Config, type ConfigOptions, type TransportName } from './config';
export { configure, issueToken, publishMessage } from './defaults';
export { ArgumentError, ConfigurationError, PublishError, type PublishFailure } from './errors';
export { Issuer } from './issuer';
export type { JsonValue, PublishInput, PublishResponse, PublishResult } from './message';
export { Publisher } from './publisher';
export type { SigningAlgorithm } from './signing-algorithms';
export { VERSION } from './version';
