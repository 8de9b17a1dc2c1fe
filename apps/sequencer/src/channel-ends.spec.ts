import { ChannelEnds, firstNote, isNoteDue, nextNote, rowsOf } from './channel-ends';

const at = (sequence: number, epoch = 1) => ({ id: `id${sequence}`, position: { epoch, sequence } });
const ends = () => new ChannelEnds({ partition: 0, fencingToken: 1 }, () => Promise.resolve());
const stream = (first: number, last: number, more: { created?: string; fullness?: number } = {}) => ({
  created: 'then',
  first,
  last,
  lastTimeNs: '0',
  fullness: 0,
  toldMs: undefined,
  ...more,
});
const note = (series: number, deliverSeq: number, deliverCreated = 'then') => ({ series, deliverSeq, deliverCreated });

describe('what is to be noted', () => {
  it('is the last record of each channel, whatever is learned later', () => {
    const changed = ends();
    changed.add('a', at(1));
    changed.add('b', at(2));
    changed.add('a', at(5));
    changed.add('a', at(3));
    changed.add('b', at(1, 2));
    expect(rowsOf(changed.take())).toEqual([
      { channel: 'a', streamEpoch: 1, seq: 5, id: 'id5' },
      { channel: 'b', streamEpoch: 2, seq: 1, id: 'id1' },
    ]);
    expect(changed.size).toBe(0);
  });

  it('is not lost when it cannot be written, and newer ends stay', () => {
    const changed = ends();
    changed.add('a', at(1));
    changed.add('b', at(2));
    const taken = changed.take();
    changed.add('a', at(7));
    changed.putBack(taken);
    expect(rowsOf(changed.take()).map(({ seq }) => seq)).toEqual([7, 2]);
  });

  it('has to be learned again once there is too much of it', () => {
    const changed = ends();
    changed.note = note(0, 10);
    for (let n = 0; n <= 200_000; n++) changed.add(`c${n}`, at(n));
    expect(changed).toMatchObject({ size: 0, note: undefined, losses: 1 });
  });
});

describe('a new owner begins', () => {
  it('with series 0 only if the stream has never lost anything', () => {
    expect(firstNote(undefined, stream(1, 0))).toEqual(note(0, 0));
    expect(firstNote(undefined, stream(1, 9))).toEqual(note(0, 0));
    expect(firstNote(undefined, stream(4, 9))).toEqual(note(1, 3));
  });

  it('where the one before it ended, if the stream has kept all since', () => {
    for (const extent of [stream(1, 10), stream(11, 10), stream(11, 50)]) {
      expect(firstNote(note(3, 10), extent)).toEqual(note(3, 10));
    }
  });

  it.each([
    ['has dropped what was not noted', stream(12, 50)],
    ['was created anew', stream(1, 50, { created: 'now' })],
    ['lost its tail', stream(1, 9)],
  ])('a new series when the stream %s', (_, extent) => {
    expect(firstNote(note(3, 10), extent)).toEqual(note(4, extent.first - 1, extent.created));
  });
});

describe('the next note', () => {
  it('reaches as far as the stream did before the ends were taken', () => {
    expect(nextNote(note(2, 10), stream(5, 30), false)).toEqual(note(2, 30));
  });

  it('begins a new series when the stream was purged or created anew', () => {
    expect(nextNote(note(2, 10), stream(31, 30), false)).toEqual(note(3, 30));
    expect(nextNote(note(2, 10), stream(1, 30, { created: 'now' }), true)).toEqual(note(3, 30, 'now'));
  });

  it('begins none because Postgres was away for longer than the stream keeps a message', () => {
    expect(nextNote(note(2, 10), stream(31, 60), true)).toEqual(note(2, 60));
  });

  it('is due after the interval, if there is anything new', () => {
    expect(isNoteDue(note(0, 10), stream(1, 11), 999, 1_000)).toBe(false);
    expect(isNoteDue(note(0, 10), stream(1, 11), 1_000, 1_000)).toBe(true);
    expect(isNoteDue(note(0, 10), stream(1, 10), 5_000, 1_000)).toBe(false);
    expect(isNoteDue(note(0, 10), stream(1, 10, { created: 'now' }), 5_000, 1_000)).toBe(true);
  });

  it('is due earlier when the bytes of the stream may drop what is not noted', () => {
    expect(isNoteDue(note(0, 10), stream(1, 30, { fullness: 0.9 }), 0, 1_000)).toBe(true);
    expect(isNoteDue(note(0, 10), stream(1, 15, { fullness: 0.9 }), 0, 1_000)).toBe(false);
    expect(isNoteDue(note(0, 10), stream(1, 30, { fullness: 0.4 }), 0, 1_000)).toBe(false);
  });
});
