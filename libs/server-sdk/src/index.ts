export type {
  ChannelClaims,
  Claims,
  LimitClaims,
  LimitRate,
  MessageClaims,
  NumericDate,
  StorageClaims,
} from './token-claims';
export { Config, type ConfigOptions, type TransportName } from './sdk-config';
export { configure, issueToken, publishMessage } from './defaults';
export { ArgumentError, ConfigurationError, PublishError, type PublishFailure } from './sdk-errors';
export { Issuer } from './issuer';
export type { JsonValue, PublishInput, PublishResponse, PublishResult } from './message';
export { Publisher } from './message-publisher';
// Not by its alias: this library is built into a package of its own, where there are none.
export type { SigningMethod as SigningAlgorithm } from '../../claims/src/signing-methods';
export { VERSION } from './version';
