export type { ChannelClaims, Claims, MessageClaims, NumericDate, StorageClaims } from './token-claims';
export { Config, type ConfigOptions, type TransportName } from './sdk-config';
export { configure, issueToken, publishMessage } from './defaults';
export { ArgumentError, ConfigurationError, PublishError, type PublishFailure } from './sdk-errors';
export { Issuer } from './issuer';
export type { JsonValue, PublishInput, PublishResponse, PublishResult } from './message';
export { Publisher } from './message-publisher';
export type { SigningAlgorithm } from './signing-algorithms';
export { VERSION } from './version';
