import { randomBytes } from 'node:crypto';
import { isUlid, MAX_PARTITIONS, messageId, partitionOfId } from '@hearth/protocol';

/**
 * Names of schedules: ULIDs with a random middle, and the partition in the tail, so that whoever cancels one knows where
 * it is kept.
 */

/** 48 bits: no two schedules of one millisecond and partition get the same name. */
const RANDOM_BYTES = 6;

export function newScheduleId(nowMs: number, partition: number): string {
  return messageId(nowMs, randomBytes(RANDOM_BYTES).readUIntBE(0, RANDOM_BYTES), partition);
}

/** The partition that keeps a schedule; `undefined` for what cannot be the name of one. */
export function partitionOfSchedule(scheduleId: string, partitions: number): number | undefined {
  if (!isUlid(scheduleId)) return undefined;
  const partition = partitionOfId(scheduleId.toUpperCase());
  return partition < Math.min(partitions, MAX_PARTITIONS) ? partition : undefined;
}
