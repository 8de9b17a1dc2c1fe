import type { StreamConnection } from '@hearth/stream';
import { ALL_TAILS, decodeTailBeacon, type TailBeacon } from '@hearth/wire';
import { setTimeout as delay } from 'node:timers/promises';
import type { Deliverable } from './fan-out';
import { Tails } from './tails';

/** When the present life of the deliver stream began. */
const LIFE_MS = 1_700_000_000_000;

/** What an owner says, once it has begun. */
function owner(unsureBeforeMs?: number) {
  type OnMessage = Parameters<StreamConnection['listen']>[1];
  let ask: OnMessage = () => undefined;
  const told: TailBeacon[] = [];
  const stream = {
    tell: (_subject: string, text = '') => void told.push(decodeTailBeacon(text)),
    listen: (_subject: string, onMessage: OnMessage) => {
      ask = onMessage;
      return () => undefined;
    },
  };
  const safe = { epoch: 1, sequence: 9, timeNs: '', streamCreated: '' };
  const deliverMark = { created: new Date(LIFE_MS).toISOString(), sequence: 5, through: safe };
  const saved = { safe, unsureBeforeMs, deliverMark };
  const claim = { partition: 0, fencingToken: 3 };
  return {
    told,
    askForAll: () => ask({ string: () => ALL_TAILS } as Parameters<OnMessage>[0]),
    tails: new Tails(
      stream,
      claim,
      saved,
      () => Promise.resolve(),
      () => [['quiet', { epoch: 1, sequence: 4 }]],
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

it.each([
  ['as of the life of the deliver stream that it knows', undefined, { from: expect.any(Number), lifeMs: LIFE_MS }],
  ['and not that these are all, where it cannot know what was lost before that', LIFE_MS, undefined],
])('says where all its channels end when somebody asks, %s', async (_, unsureBeforeMs, all) => {
  const { told, tails, askForAll } = owner(unsureBeforeMs);
  askForAll();
  try {
    while (told.at(-1)?.tails.length === 0) await delay(50);
  } finally {
    tails.stop();
  }
  expect(told.at(-1)).toMatchObject({ tails: [['quiet', { epoch: 1, sequence: 4 }]], all });
});
