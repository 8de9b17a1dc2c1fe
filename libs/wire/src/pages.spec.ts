import { compareUtf8, mergeParts, type Part, SmallestItems, withinBytes } from './pages';

const itself = (text: string): string => text;
const partOf = (all: readonly string[], after: string, limit: number): Part<string> => {
  const smallest = new SmallestItems(itself, after, limit);
  for (const one of all) smallest.add(one);
  return smallest.take();
};

it('compares texts as their UTF-8 bytes', () => {
  const texts = [
    '',
    'a',
    'ab',
    'b',
    'ä',
    '\ud7ff',
    '\ue000',
    '\uffff',
    '\u{10000}',
    '\u{10ffff}',
    'a\u{10000}',
    'a\uffff',
  ];
  const bytes = [...texts].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  expect([...texts].reverse().sort(compareUtf8)).toEqual(bytes);
});

it.each([
  [[], '', 2, [], false],
  [['b', 'a'], '', 2, ['a', 'b'], false],
  [['c', 'b', 'a'], '', 2, ['a', 'b'], true],
  [['c', 'b', 'a'], 'a', 2, ['b', 'c'], false],
  [['g', 'f', 'e', 'd', 'c', 'b', 'a'], 'a', 2, ['b', 'c'], true],
  [['a'], 'a', 1, [], false],
])('of %j behind %j the %i smallest are found', (all, after, limit, items, isCut) => {
  expect(partOf(all, after, limit)).toEqual({ items, isCut });
});

it('cuts a part to what fits, but never to nothing', () => {
  const part = { items: ['aaa', 'bb', 'c'], isCut: false };
  const lengthOf = (text: string): number => text.length;
  expect(withinBytes(part, 6, lengthOf)).toEqual(part);
  expect(withinBytes(part, 5, lengthOf)).toEqual({ items: ['aaa', 'bb'], isCut: true });
  expect(withinBytes(part, 1, lengthOf)).toEqual({ items: ['aaa'], isCut: true });
  expect(withinBytes({ items: [], isCut: false }, 0, lengthOf)).toEqual({ items: [], isCut: false });
});

it('lists everything exactly once, whatever part lies where and however the parts are cut', () => {
  const all = Array.from({ length: 60 }, (_, index) => `${(index * 37) % 60}`.padStart(2, '0'));
  for (const limit of [1, 2, 7, 59, 60, 100]) {
    for (const gateways of [1, 2, 5]) {
      const listed: string[] = [];
      for (let next: string | null = ''; next !== null;) {
        const after: string = next;
        const parts = Array.from({ length: gateways }, (_, gateway) => {
          const own = all.filter((text, index) => index % gateways === gateway || text === '30');
          return withinBytes(partOf(own, after, limit), 1 + gateway * 9, (text) => text.length);
        });
        const page = mergeParts(parts, itself, limit);
        expect(page.items.length).toBeLessThanOrEqual(limit);
        listed.push(...page.items);
        ({ next } = page);
      }
      expect(listed).toEqual([...all].sort());
    }
  }
});

it('joins what several parts have of one thing', () => {
  const keyOf = ({ key }: { key: string }): string => key;
  const join = (a: { key: string; n: number }, b: { n: number }) => ({ ...a, n: a.n + b.n });
  const parts = [
    { items: [{ key: 'a', n: 1 }], isCut: false },
    {
      items: [
        { key: 'a', n: 2 },
        { key: 'b', n: 4 },
      ],
      isCut: false,
    },
  ];
  expect(mergeParts(parts, keyOf, 10, join)).toEqual({
    items: [
      { key: 'a', n: 3 },
      { key: 'b', n: 4 },
    ],
    next: null,
  });
});
