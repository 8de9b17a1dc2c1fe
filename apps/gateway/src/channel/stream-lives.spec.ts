import { StreamLives } from './stream-lives';

/** A gateway that has caught up with owner 7 of partition 0 and owner 8 of partition 1, when another life has begun. */
function inAnotherLife(): StreamLives {
  const lives = new StreamLives(2);
  const owners = [
    [0, 7],
    [1, 8],
  ] as const;
  expect(lives.note(1_000, owners)).toBe(false);
  expect(lives.note(2_000, owners)).toBe(true);
  return lives;
}
const all = (lifeMs: number) => ({ all: { from: 1, lifeMs } });

it('asks until every owner has answered for the present life, with all that belongs to its answer', () => {
  const lives = inAnotherLife();
  expect(lives.hear(0, { fencingToken: 7, ...all(2_000) }, true)).toBeUndefined();
  lives.hear(1, { fencingToken: 8, ...all(1_000) }, true);
  lives.hear(1, { fencingToken: 8, ...all(2_000) }, false);
  lives.hear(1, { fencingToken: 8 }, true);
  expect(lives.note(2_000, [])).toBe(true);
  lives.hear(1, { fencingToken: 8, ...all(2_000) }, true);
  expect(lives.note(2_000, [])).toBe(false);
});

it('what was answered is not doubted when a later owner does not know it', () => {
  const lives = inAnotherLife();
  lives.hear(0, { fencingToken: 7, ...all(2_000) }, true);
  expect(lives.hear(0, { fencingToken: 9, unsureBeforeMs: 2_000 }, true)).toBeUndefined();
  // Nobody has said what this one had.
  expect(lives.hear(1, { fencingToken: 9, unsureBeforeMs: 2_000 }, true)).toBe(2_000);
  expect(lives.hear(1, { fencingToken: 9, unsureBeforeMs: 2_000 }, true)).toBeUndefined();
  expect(lives.note(2_000, [])).toBe(false);
});

it('doubts each life once, in whichever order they are spoken of', () => {
  const lives = inAnotherLife();
  expect(lives.hear(0, { fencingToken: 7, unsureBeforeMs: 2_000 }, true)).toBe(2_000);
  lives.note(3_000, [[0, 7]]);
  lives.note(3_000, [[0, 7]]);
  expect(lives.hear(0, { fencingToken: 7, unsureBeforeMs: 2_000, ...all(3_000) }, true)).toBeUndefined();
  expect(lives.hear(0, { fencingToken: 7, unsureBeforeMs: 2_000 }, true)).toBeUndefined();
});

it('an owner that was not heard before the loss knows only a part of what was lost', () => {
  const lives = inAnotherLife();
  expect(lives.hear(0, { fencingToken: 9, ...all(2_000) }, true)).toBe(2_000);
  expect(lives.hear(0, { fencingToken: 10, unsureBeforeMs: 2_000 }, true)).toBeUndefined();
});

it('an owner is new until the stream was looked at since it was heard, and while it was not asked what is lost', () => {
  const lives = new StreamLives(2);
  expect(lives.isNew(0, 7)).toBe(true);
  lives.note(1_000, [[0, 7]]);
  expect([lives.isNew(0, 7), lives.isNew(0, 8), lives.isNew(1, 7)]).toEqual([false, true, true]);
  lives.note(2_000, []);
  expect([lives.isNew(0, 8), lives.isNew(1, 7)]).toEqual([false, false]);
});
