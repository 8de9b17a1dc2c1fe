export { openDatabase, type Database, type DatabaseOptions } from './database';
export { withBatch } from './batch';
export { ensureDatabase, isWrongPassword } from './ensure-database';
export * from './channel-state';
export { ensureEventIndex } from './event-index';
export { appendMessages, type LogRow } from './message-log';
export { claimDeduplicationIds, type DeduplicationEntry } from './deduplication';
export {
  appendAndAdvance,
  claimPartition,
  ensurePartitions,
  PartitionCountError,
  fenceAndAdvance,
  FencedError,
  listPartitions,
  releasePartition,
  reportCaughtUp,
  type FencedPosition,
  type PartitionState,
  type Position,
} from './partitions';
export { releaseSequencer, renewSequencerLease } from './sequencer-lease';
export { claimGatewayId, endExpiredLeases, leaseClock, releaseGatewayLease, renewGatewayLease } from './gateway-lease';
export { deadGateways, leftConnections, leftCounts, type DeadGateway } from './dead-gateways';
export { readChannelInfo, type ChannelInfo } from './channel-info';
export { consumeSingleUse } from './single-use';
export {
  listMessages,
  newestMessages,
  type HistoryPage,
  type MissedMessage,
  type MissedRange,
  type StoredMessage,
} from './history';
export {
  claimTarget,
  dropUnusedTargets,
  ensureTarget,
  releaseTarget,
  renewTarget,
  TargetLostError,
  type TargetClaim,
  type TargetPosition,
} from './webhook-targets';
export {
  dropReadAgain,
  endWaiting,
  firstWaiting,
  noteAttempt,
  putToWait,
  waitingLanes,
  type EventToWait,
  type WaitingEvent,
  type WaitingLane,
  type WebhookEvent,
} from './webhook-waiting';
export {
  expireDeadLetters,
  findDeadLetter,
  giveUp,
  listDeadLetters,
  requestRetry,
  reviveDeadLetters,
  type DeadLetter,
} from './webhook-dead-letters';
export { findMessage, type FoundMessage } from './message-target';
export { listReactions, type ListedReaction, type ReactionDetail } from './reactions';
export * from './storage-entries';
export { expireRows, scheduleExpiryWithPgCron } from './expiry';
export { assertSchemaIsCurrent, migrate, SchemaError, type MigrateOptions } from './migrations';
export { projectRoot, readMigrations, type Migration } from './migration-files';
export type { Db, Tables } from './tables';
