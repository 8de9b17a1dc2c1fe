import type { IngestOperation, OperationOf } from '@hearth/wire';
import { ChannelState } from './channel-state';
import { SequencedOf } from './outcome';
import { applyCancel, applySchedule, takeDue } from './schedules';

const DUE_MS = 1_000;

function sequenced<Kind extends IngestOperation['kind']>(operation: OperationOf<Kind>): SequencedOf<Kind> {
  return { id: '0'.repeat(26), position: { epoch: 0, sequence: 1 }, acceptedMs: 0, operation, data: Buffer.from('p') };
}

const schedule = sequenced<'schedule'>({ kind: 'schedule', channel: 'c', scheduleId: 's', dueMs: DUE_MS });
const cancel = sequenced<'cancel'>({ kind: 'cancel', partition: 0, scheduleId: 's' });
const fire: OperationOf<'fire'> = { kind: 'fire', partition: 0, scheduleId: 's' };

/** A state that knows that nothing is scheduled. */
function nothingScheduled(): ChannelState {
  const state = new ChannelState();
  state.schedules.learn([{ scheduleId: 's' }], []);
  return state;
}

describe('a schedule (publish-api §7)', () => {
  it('fires once, not before its time', () => {
    const state = nothingScheduled();
    applySchedule(schedule, state);
    expect(takeDue(fire, DUE_MS, state)).toBeUndefined();
    expect(takeDue(fire, DUE_MS + 1, state)?.payload).toBe('p');
    expect(takeDue(fire, DUE_MS + 2, state)).toBeUndefined();
  });

  it('does not fire once it is cancelled, and cannot be cancelled again', () => {
    const state = nothingScheduled();
    applySchedule(schedule, state);
    expect(applyCancel(cancel, state)).toEqual({});
    expect(applyCancel(cancel, state).refusal?.code).toBe('NOT_FOUND');
    expect(takeDue(fire, DUE_MS + 1, state)).toBeUndefined();
  });

  it('cannot be cancelled once it has fired', () => {
    const state = nothingScheduled();
    applySchedule(schedule, state);
    takeDue(fire, DUE_MS + 1, state);
    expect(applyCancel(cancel, state).refusal?.code).toBe('NOT_FOUND');
  });
});
