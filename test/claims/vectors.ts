import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const specification = readFileSync(join(__dirname, '../../docs/spec/tokens-and-claims.md'), 'utf8');
const tables = /^## 7\. Test vectors\n([^]*?)^## /m.exec(specification)?.[1] ?? '';

/** Numbers of all vectors in tokens-and-claims §7, in their order. */
export const VECTOR_NUMBERS: readonly string[] = [...tables.matchAll(/^\| ([A-Z]\d+) \|/gm)].map(
  ([, number = '']) => number,
);

/** Those of one or more tables, by the letters that they begin with. */
export function vectorNumbers(letters: string): string[] {
  return VECTOR_NUMBERS.filter((number) => letters.includes(number.charAt(0)));
}

/** The tests of all vectors of one or more tables of tokens-and-claims §7. */
export class VectorTests {
  private readonly found = new Set<string>();

  /** @param letters that the numbers of those vectors begin with */
  constructor(private readonly letters: string) {}

  /** Declares a test of a vector, whose number the sentence begins with. */
  test(sentence: string, run: () => Promise<void>): void {
    this.found.add(sentence.slice(0, sentence.indexOf(' ')));
    it(sentence, run);
  }

  /** Declares a test that fails when a vector of the specification was not declared before, or another one was. */
  testCompleteness(): void {
    it('are all of the specification', () => {
      const numbers = vectorNumbers(this.letters);
      expect(numbers.length).toBeGreaterThan(0);
      expect([...this.found].sort()).toEqual(numbers.sort());
    });
  }
}
