import { setImmediate as turn } from 'node:timers/promises';
import { TurnBudget } from './turn-budget';

let done: string[];
beforeEach(() => (done = []));

function ask(budget: TurnBudget, name: string, cost: number): void {
  const inTurn = budget.take(cost);
  if (inTurn === undefined) done.push(name);
  else void inTurn.then(() => done.push(name));
}

it('what there is room for is done at once, in each turn', async () => {
  const budget = new TurnBudget(10, 1_000);
  for (const cost of [4, 6]) expect(budget.take(cost)).toBeUndefined();
  await turn();
  expect(budget.take(10)).toBeUndefined();
});

it('what finds no room is done in a later turn, and nothing overtakes it', async () => {
  const budget = new TurnBudget(10, 1_000);
  ask(budget, 'a', 6);
  ask(budget, 'b', 6);
  ask(budget, 'c', 1);
  ask(budget, 'd', 6);
  expect(done).toEqual(['a']);
  await turn();
  expect(done).toEqual(['a', 'b', 'c']);
  await turn();
  expect(done).toEqual(['a', 'b', 'c', 'd']);
});

it('what costs more than a turn has one for itself', async () => {
  const budget = new TurnBudget(10, 1_000);
  for (const name of ['a', 'b', 'c']) ask(budget, name, 100);
  expect(done).toEqual(['a']);
  await turn();
  expect(done).toEqual(['a', 'b']);
  await turn();
  expect(done).toEqual(['a', 'b', 'c']);
});

it('of what is kept beyond the most, a part is done in each turn', async () => {
  const budget = new TurnBudget(10, 40);
  const releases = Array.from({ length: 26 }, (_, n) => {
    ask(budget, String(n), 10);
    return budget.hold(10);
  });
  expect(done).toHaveLength(1);
  // An eighth of 220.
  await turn();
  expect(done).toHaveLength(3);
  for (const release of releases) release();
  await turn();
  await turn();
  expect(done).toHaveLength(5);
});
