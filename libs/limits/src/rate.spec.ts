import { narrower, parseRate } from './rate';

describe('parseRate', () => {
  it.each([
    ['100,1000', { perSecond: 100, burst: 1_000 }],
    ['100', { perSecond: 100, burst: 100 }],
    ['2.5', { perSecond: 2.5, burst: 3 }],
    ['0.1', { perSecond: 0.1, burst: 1 }],
    [' 5 , 6', undefined],
    ['5 , 6', { perSecond: 5, burst: 6 }],
    ['0', 'unlimited'],
    ['0,0', 'unlimited'],
    ['0,5', undefined],
    ['5,0', undefined],
    ['-1', undefined],
    ['1e3', undefined],
    ['1,2,3', undefined],
    ['', undefined],
    ['ten', undefined],
    ['Infinity', undefined],
  ])('%s', (text, expected) => expect(parseRate(text)).toEqual(expected));
});

describe('narrower', () => {
  const [slow, fast] = [
    { perSecond: 1, burst: 9 },
    { perSecond: 2, burst: 3 },
  ];
  it.each([
    ['none', fast, 'none'],
    ['unlimited', fast, fast],
    ['unlimited', 'unlimited', 'unlimited'],
    ['unlimited', 'none', 'none'],
    [slow, fast, { perSecond: 1, burst: 3 }],
  ] as const)('of %j and %j', (one, other, expected) => {
    expect(narrower(one, other)).toEqual(expected);
    expect(narrower(other, one)).toEqual(expected);
  });
});
