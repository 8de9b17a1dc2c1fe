export { judgeAnswer, type Verdict } from './answer';
export { PositionTracker, type Place } from './position-tracker';
export { isPublicAddress } from './public-address';
export { retryDelayMs, scheduleMs } from './retry-schedule';
export { signedHeaders } from './signature';
export { targetName } from './target-name';
