import type { PartitionState } from '@hearth/store';
import { EventOutbox } from './event-outbox';
import { Lanes } from './lanes';
import { SavedPosition } from './saved-position';

/** A position of a partition that nobody has worked on. */
function fresh(): SavedPosition {
  const host = { config: { deliverMaxAgeSeconds: 3600 }, reloadable: { current: {} } } as never;
  const claim = { partition: 0, fencingToken: 1, streamEpoch: 1, seq: 0, timeMs: 0, lanes: '' };
  const outbox = new EventOutbox(host, 0);
  return new SavedPosition(
    host,
    claim as unknown as PartitionState,
    { saved: () => undefined },
    outbox,
    () => undefined,
  );
}

function reach(saved: SavedPosition, sequence: number, delivered?: { created: string | undefined; sequence: number }) {
  const position = { epoch: 1, sequence, timeNs: '', streamCreated: '' };
  saved.advance({ position, markMs: 0, lanes: new Lanes().takeChanges() }, { answers: [], delivered });
}

describe('the place of the deliver stream that is saved with a position', () => {
  it('is the last that was confirmed', () => {
    const saved = fresh();
    saved.noteDeliverLife('A');
    reach(saved, 1, { created: saved.deliverLife, sequence: 7 });
    reach(saved, 2);
    expect(saved.deliverMark).toMatchObject({ created: 'A', sequence: 7, through: { sequence: 1 } });
  });

  it('is none of a stream that has been made anew since, or may have been', () => {
    const saved = fresh();
    saved.noteDeliverLife('A');
    const ofA = { created: saved.deliverLife, sequence: 7 };
    saved.noteDeliverLife(undefined);
    reach(saved, 1, ofA);
    reach(saved, 2, { created: saved.deliverLife, sequence: 8 });
    saved.noteDeliverLife('B');
    reach(saved, 3, ofA);
    expect(saved.deliverMark).toMatchObject({ created: 'B', sequence: 0 });
    reach(saved, 4, { created: saved.deliverLife, sequence: 1 });
    expect(saved.deliverMark).toMatchObject({ created: 'B', sequence: 1, through: { sequence: 4 } });
  });
});
