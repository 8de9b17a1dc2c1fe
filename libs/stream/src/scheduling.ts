import { installationNow } from '@hearth/timing';
import { IngestEvent, OperationOf, Placed, scheduleArn, ScheduleNaming, scheduleOf } from '@hearth/wire';
import type { IngestPublisher } from './ingest-publisher';

/** What its publisher is told of something that is due later. */
export interface Scheduled {
  /** The id that its message will have, where one was asked for. */
  readonly eagerId: string | undefined;
  readonly scheduleArn: string;
  /** Settles as `IngestPublisher.accept` does. */
  readonly accepted: Promise<Placed | undefined>;
}

/**
 * Accepts a message or a storage write that is due later (publish-api §7): it is parked until then. Whether it is allowed
 * was decided by the caller, now.
 *
 * @param data JSON text of the target
 * @param dueMs ms since 1970
 * @param source who sends it, as `IngestPublisher.accept` takes it
 */
export function schedule(
  ingest: Pick<IngestPublisher, 'accept' | 'partitionOf'>,
  naming: ScheduleNaming,
  target: IngestEvent | OperationOf<'storage'>,
  data: string,
  dueMs: number,
  source: string,
): Scheduled {
  const parked = scheduleOf(target, data, dueMs, ingest.partitionOf(target.channel), installationNow());
  const accepted = ingest.accept(parked.operation, parked.data, source);
  return { eagerId: parked.eagerId, scheduleArn: scheduleArn(naming, parked.scheduleId), accepted };
}
