import { type Point, PointStore, resumeParameter } from './points';
import { difference } from './presence';
import { Seen } from './seen';
import { claimsOf } from './token';

describe('the difference between two lists of members', () => {
  const member = (uid: string, umd: unknown = null) => ({ uid, umd });

  it('names who came, left and changed, and keeps the objects of the others', () => {
    const before = difference([], [member('a'), member('b', { n: 1 }), member('c')]).members;
    const { members, changes } = difference(before, [member('b', { n: 1 }), member('c', 2), member('d')]);
    expect(changes).toEqual([
      ['leave', member('a')],
      ['update', member('c', 2)],
      ['join', member('d')],
    ]);
    expect(members[0]).toBe(before[1]);
  });

  it('is none, and the same list, when nothing changed', () => {
    const before = difference([], [member('a', [1])]).members;
    const { members, changes } = difference(before, [member('a', [1])]);
    expect([members === before, changes]).toEqual([true, []]);
    expect(Object.isFrozen(members)).toBe(true);
  });
});

it('ids are forgotten when too many have come since', () => {
  const seen = new Seen(3);
  expect(['a', 'b', 'a', 'c', 'd', 'a'].map((id) => seen.add(id))).toEqual([true, true, false, true, true, true]);
});

describe('the resume of a connect URL', () => {
  const decode = (text: string): unknown => JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));

  it('is {} at first, and names points by channel', () => {
    expect(resumeParameter(new Map())).toBe('e30');
    const points = new Map<string, Point>([
      ['ä', { after: '1', token: 't' }],
      ['__proto__', { token: 'u' }],
    ]);
    expect(Object.entries(decode(resumeParameter(points)) as object)).toEqual([...points]);
  });

  it('leaves out what there is no room for', () => {
    const points = new Map(Array.from({ length: 100 }, (_, n) => [`c${n}`, { token: 'x'.repeat(200) }]));
    const text = resumeParameter(points);
    expect(text.length).toBeLessThanOrEqual(8_192);
    expect(Object.keys(decode(text) as object).length).toBeGreaterThan(20);
  });
});

it.each([[''], ['hey'], ['a.b.c'], [7], ['x.bm90IGpzb24.y']])('%j is no token', (token) => {
  expect(() => claimsOf(token)).toThrow();
});

it('a store that never answers is told of, and keeps nobody waiting', async () => {
  jest.useFakeTimers();
  const errors: unknown[] = [];
  const store = { get: () => new Promise<never>(() => undefined), set: () => undefined };
  const loaded = new PointStore(store, 'ws://x', (error) => errors.push(error)).load('u1', 'c');
  await jest.advanceTimersByTimeAsync(15_000);
  expect([await loaded, errors]).toEqual([undefined, [new Error('no answer')]]);
  jest.useRealTimers();
});
