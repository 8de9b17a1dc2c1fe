import type { OperationOf } from '@hearth/wire';
import type { ChannelState } from './channel-state';
import { NOTHING, Outcome, SequencedOf } from './outcome';
import type { ScheduleRow } from './rows';

/** Parks what is scheduled. A repeat of one that has been accepted before changes nothing. */
export function applySchedule({ operation, data }: SequencedOf<'schedule'>, state: ChannelState): Outcome {
  const { scheduleId, dueMs } = operation;
  if (state.schedules.get({ scheduleId }) === undefined) {
    state.schedules.put({ scheduleId, dueMs, payload: data.toString('utf8') });
  }
  return NOTHING;
}

/** Takes a schedule back; one that has fired, was cancelled or never existed is not found (publish-api §7). */
export function applyCancel({ operation }: SequencedOf<'cancel'>, state: ChannelState): Outcome {
  const { scheduleId } = operation;
  if (state.schedules.get({ scheduleId }) === undefined) {
    return { refusal: { code: 'NOT_FOUND', message: 'there is no such schedule, or its time has come' } };
  }
  state.schedules.drop({ scheduleId });
  return NOTHING;
}

/**
 * Takes what a schedule parked, if it still waits and its time has passed by the stream's clock: so nothing fires early,
 * however wrong the clock of whoever said it was time, and nothing fires twice, however often it is said.
 *
 * Passed, not come: a promised id has the due instant as its time, and later messages must get greater ids.
 */
export function takeDue(
  { scheduleId }: OperationOf<'fire'>,
  acceptedMs: number,
  state: ChannelState,
): ScheduleRow | undefined {
  const row = state.schedules.get({ scheduleId });
  if (row === undefined || row.dueMs >= acceptedMs) return undefined;
  state.schedules.drop({ scheduleId });
  return row;
}
