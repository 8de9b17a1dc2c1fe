import { messageId } from '@hearth/protocol';
import { eventSequence, type Position } from '@hearth/wire';
import { ulid } from 'ulid';
import { DeliveredPlaces } from './delivered-places';

const PARTITION = 3;
const TOLERANCE_MS = 500;
const place = (streamSequence: number, epoch = 1): Position => ({ epoch, sequence: eventSequence(streamSequence, 0) });
const record = (position: Position, id: string) => ({
  sequence: 1,
  storedMs: 10_000,
  record: { position, id, frame: Buffer.alloc(0) },
});
const placed = (position: Position, timeMs: number) =>
  record(position, messageId(timeMs, position.sequence, PARTITION));

describe('a place of the ingest stream', () => {
  const places = new DeliveredPlaces(PARTITION, TOLERANCE_MS);
  places.add(placed(place(7), 9_000));
  places.add(placed(place(5), 8_000));

  it.each<[string, Position, number, boolean]>([
    ['that has the record itself is no other', place(7), 9_000, false],
    ['before it is no other, when it was accepted before', place(6), 8_999, false],
    ['before it is another one’s, when it was accepted later', place(6), 9_001, true],
    ['that has the record is another one’s, when it was accepted later', place(7), 9_001, true],
    ['behind it is new', place(8), 9_001, false],
    ['of a later epoch is new', place(1, 2), 9_001, false],
    ['of an earlier epoch is another one’s, when it was accepted later', place(8, 0), 9_001, true],
  ])('%s', (_what, position, acceptedMs, expected) => {
    expect(places.isReused(position, acceptedMs)).toBe(expected);
  });

  it('is judged by when the record was stored, where its id was given before it had a place', () => {
    const eager = new DeliveredPlaces(PARTITION, TOLERANCE_MS);
    eager.add(record(place(7), ulid(1_000)));
    expect(eager.isReused(place(6), 10_500)).toBe(false);
    expect(eager.isReused(place(6), 10_501)).toBe(true);
  });

  it('is new where nothing was delivered', () => {
    expect(new DeliveredPlaces(PARTITION, TOLERANCE_MS).isReused(place(1), 1)).toBe(false);
  });
});
