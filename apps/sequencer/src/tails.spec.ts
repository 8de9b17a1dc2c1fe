import { decodeTailBeacon, type TailBeacon } from '@hearth/wire';
import type { Deliverable } from './fan-out';
import { Tails } from './tails';

/** What an owner says, once it has begun. */
function owner(unsureBeforeMs?: number) {
  const told: TailBeacon[] = [];
  const stream = {
    tell: (_subject: string, text = '') => void told.push(decodeTailBeacon(text)),
    listen: () => () => undefined,
  };
  const saved = { safe: { epoch: 1, sequence: 9, timeNs: '', streamCreated: '' }, unsureBeforeMs };
  const claim = { partition: 0, fencingToken: 3 };
  return {
    told,
    tails: new Tails(
      stream,
      claim,
      saved,
      () => Promise.resolve(),
      () => [],
    ),
  };
}

const fanned = (sequence: number): Deliverable => ({
  id: `id ${sequence}`,
  position: { epoch: 1, sequence },
  record: { channel: 'c', frame: Buffer.alloc(0) },
});

it('says of a channel the furthest place, whatever the deliver stream confirmed last', () => {
  const { told, tails } = owner();
  tails.add([fanned(2)]);
  // A leader changed, and did not have it yet.
  tails.add([fanned(1)]);
  tails.leave();
  expect(told.at(-1)).toMatchObject({ tails: [['c', { epoch: 1, sequence: 2 }]], isLast: true });
});

it('says from the beginning what an owner before could not know', () => {
  const { told, tails } = owner(1_700_000_000_000);
  tails.leave();
  expect(told.map(({ unsureBeforeMs }) => unsureBeforeMs)).toEqual([1_700_000_000_000, 1_700_000_000_000]);
});
