import type { Holder } from '@hearth/store';
import { type Placed, placeNumber } from '@hearth/wire';
import { isOperation, type Sequenced } from './sequencing';

/** Begins the results of what is due later, which has a schedule and no id. No id of a message has a colon. */
const SCHEDULE = 'schedule:';

/** What the sender of a repeat is told one became (client-library §6): kept beside its `ref`. */
export function resultOf(one: Sequenced): string {
  const scheduleId = isOperation(one) && one.operation.kind === 'schedule' ? one.operation.scheduleId : undefined;
  return scheduleId === undefined ? one.id : SCHEDULE + scheduleId;
}

/**
 * What the sender of something with a `ref` is told.
 *
 * @param first the one that was accepted, when this is a repeat of it
 */
export function placedOf(one: Sequenced, first: Holder | undefined): Placed {
  if (first === undefined) return placed(resultOf(one), placeNumber(one.position));
  const { result = '', streamEpoch: epoch, seq: sequence } = first;
  return { ...placed(result, placeNumber({ epoch, sequence })), duplicate: true };
}

function placed(result: string, position: string): Placed {
  if (result.startsWith(SCHEDULE)) return { scheduleId: result.slice(SCHEDULE.length) };
  return { id: result, position };
}
