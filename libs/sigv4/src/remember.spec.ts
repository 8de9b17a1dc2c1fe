import { remember } from './remember';

describe('a function that remembers', () => {
  it('computes once what it is asked again, and again what failed', () => {
    const asked: string[] = [];
    const upper = remember((text) => {
      asked.push(text);
      if (text === 'bad') throw new Error('bad');
      return text.toUpperCase();
    });
    expect([upper('a'), upper('a'), upper('b'), upper('a')]).toEqual(['A', 'A', 'B', 'A']);
    for (let n = 0; n < 2; n++) expect(() => upper('bad')).toThrow('bad');
    expect(asked).toEqual(['a', 'b', 'bad', 'bad']);
  });

  it('keeps neither much nor what is long', () => {
    let computed = 0;
    const size = remember((text) => [text.length, ++computed]);
    const long = 'x'.repeat(2_000);
    size(long);
    size(long);
    expect(computed).toBe(2);
    size('first');
    for (let n = 0; n < 300; n++) size(`invented ${n}`);
    size('first');
    expect(computed).toBe(304);
  });
});
