import { encodeIngest, IngestEvent } from './ingest-event';
import { OperationOf } from './ingest-operation';
import { firstIdOf } from '@hearth/protocol';
import { newScheduleId } from './schedule-id';

/** What is to be sent instead of something that is due later (publish-api §7). */
export interface Scheduled {
  readonly operation: OperationOf<'schedule'>;
  /** Goes with the operation: what is parked, as it would stand in the ingest stream. */
  readonly data: string;
  /** Names the schedule; it is not the id of the message. */
  readonly scheduleId: string;
  /** Id that is promised to the publisher, for a target with one. */
  readonly eagerId: string | undefined;
}

/** Characters of a ULID that hold its time. */
const TIME_CHARACTERS = 10;

/**
 * Parks a message or a storage write.
 *
 * @param target as it would be sent if it were due now; nobody is told when it has been applied
 * @param data JSON text of the target
 * @param dueMs instant of its delivery, ms since 1970
 * @param partition of the target's channel
 */
export function scheduleOf(
  target: IngestEvent | OperationOf<'storage'>,
  data: string,
  dueMs: number,
  partition: number,
  nowMs: number,
): Scheduled {
  const scheduleId = newScheduleId(nowMs, partition);
  const { channel, introduces, ref } = target;
  const operation: OperationOf<'schedule'> = { kind: 'schedule', channel, scheduleId, dueMs, introduces, ref };
  const promised = 'kind' in target ? undefined : target.eagerId;
  const eagerId = promised === undefined ? undefined : idAt(dueMs, promised);
  // Nobody waits for an answer by then, who is unknown now is known, and what was accepted once is not judged again.
  const parked = encodeIngest(
    { ...target, eagerId, acknowledgeTo: undefined, introduces: undefined, ref: undefined },
    data,
  );
  return { operation, data: parked.toString('utf8'), scheduleId, eagerId };
}

/** Its time is that of the delivery, so that the order of history and the visibility window stay right (§6). */
function idAt(timeMs: number, id: string): string {
  return firstIdOf(timeMs).slice(0, TIME_CHARACTERS) + id.slice(TIME_CHARACTERS);
}

/** What the configuration says about the names of schedules. */
export interface ScheduleNaming {
  readonly awsRegion: string;
  readonly awsAccountId: string;
  readonly scheduleGroup: string;
}

/** `scheduleArn` of answers, in the shape that callers of AWS take apart. */
export function scheduleArn(naming: ScheduleNaming, scheduleId: string): string {
  return `arn:aws:scheduler:${naming.awsRegion}:${naming.awsAccountId}:schedule/${naming.scheduleGroup}/${scheduleId}`;
}

const ARN = /^arn:aws[a-z-]*:scheduler:[a-z0-9-]*:\d*:schedule\/[\w.-]{1,64}\/([^/]+)$/;

/** The schedule that a name or an ARN means; an ARN of any region, account and group will do. */
export function scheduleIdOf(nameOrArn: string): string {
  return (ARN.exec(nameOrArn)?.[1] ?? nameOrArn).toUpperCase();
}
