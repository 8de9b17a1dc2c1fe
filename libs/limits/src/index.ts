export {
  ConnectionBuckets,
  type ConnectionLimits,
  type RateName,
  RATE_NAMES,
  type Refusal,
} from './connection-buckets';
export { KeyedBuckets } from './keyed-buckets';
export { narrower, parseRate, rateOf, type Rate, type RateLimit } from './rate';
export { TokenBucket } from './token-bucket';
export { addressKey } from './address-key';
export { Penalties } from './penalties';
export { SharedRates, type DemandReport } from './shared-rates';
export { FairQueue, FairTurns } from './fair-queue';
export { FlowWindow } from './flow-window';
