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
export { configure, issueToken, publishBatch, publishMessage } from './defaults';
export {
  ApiError,
  ArgumentError,
  ConfigurationError,
  PublishError,
  WebhookVerificationError,
  type PublishFailure,
  type RequestFailure,
} from './sdk-errors';
export { Issuer } from './issuer';
export type {
  AnyMessageInput,
  JsonValue,
  MessageInput,
  MessageOptions,
  PublishInput,
  PublishResponse,
  PublishResult,
} from './message';
export { Publisher, type ReactionInput } from './message-publisher';
export { ServerApi } from './server-api';
export type * from './server-api-types';
export type { Listing, Page, PageOptions } from './listing';
export type * from './backend-events';
export { verifyWebhook, type HeaderSource, type VerifyOptions } from './verify-webhook';
// Not by its alias: this library is built into a package of its own, where there are none.
export type { AnyShapes, ChannelName, Jsonable, Shape, Shapes } from '../../protocol/src/channel-shapes';
export type { SigningMethod as SigningAlgorithm } from '../../claims/src/signing-methods';
export { VERSION } from './version';
