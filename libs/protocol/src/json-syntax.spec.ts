import fc from 'fast-check';
import { endOfJson } from './json-syntax';
import { elementsOf } from './json-text';

/** What is JSON, what is nearly, and what is made of its pieces. */
const texts = fc.oneof(
  fc.json(),
  fc
    .tuple(fc.json({ maxDepth: 3 }), fc.nat(), fc.constantFrom('', ',', '"', '}', '\\', '0', '\u0001'))
    .map(([json, at, piece]) => {
      const place = at % (json.length + 1);
      return json.slice(0, place) + piece + json.slice(place + 1);
    }),
  fc
    .array(
      fc.constantFrom(
        ...['[', ']', '{', '}', ',', ':', '"', '"a"', '\\', '\\u00e9', '\\x', ' ', '\n', '\t', '\u000b', '\ufeff'],
        ...['0', '-', '1', '.', '5', 'e', 'E', '+', 'true', 'false', 'null', 'nul', '\ud800', 'é'],
      ),
      { maxLength: 8 },
    )
    .map((pieces) => pieces.join('')),
  fc.double().map(String),
);

function parsed(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return undefined;
  }
}

it('accepts what JSON.parse accepts', () => {
  fc.assert(
    fc.property(texts, (text) => {
      const begin = /^[ \t\n\r]*/.exec(text)?.[0].length ?? 0;
      const end = endOfJson(text, begin);
      expect(end >= 0 && text.slice(end).trim() === '' && /^[ \t\n\r]*$/.test(text.slice(end))).toBe(
        parsed(text) !== undefined,
      );
    }),
    { numRuns: 2_000 },
  );
});

it('finds the elements of what JSON.parse calls an array, and of nothing else', () => {
  const arrays = fc.array(texts, { maxLength: 4 }).map((elements) => `[${elements.join(' , ')}]`);
  fc.assert(
    fc.property(fc.oneof(arrays, texts), (text) => {
      const elements = elementsOf(text);
      const found: unknown[] = [];
      let element = elements.next();
      let isJson = true;
      for (; element.done !== true; element = elements.next()) {
        const json = parsed(element.value);
        isJson &&= json !== undefined;
        found.push(json?.value);
      }
      const value = parsed(text)?.value;
      expect(isJson && element.value).toBe(Array.isArray(value));
      if (Array.isArray(value)) expect(found).toEqual(value);
    }),
    { numRuns: 2_000 },
  );
});

it('gives a part of an element that is too long, and nothing behind it', () => {
  for (const long of ['"'.padEnd(30, 'x'), '['.repeat(30), '[1,2,3,4,5,6,7]', '12345678901', '{"a":"'.padEnd(30)]) {
    const [first, second, ...others] = elementsOf(`[1,${long},2]`, 10);
    expect([first, others]).toEqual(['1', []]);
    expect(second?.length).toBeGreaterThan(10);
  }
});

it('goes as deep as anybody writes', () => {
  const deep = 100_000;
  expect(endOfJson('['.repeat(deep) + ']'.repeat(deep), 0)).toBe(2 * deep);
  expect(endOfJson('{"a":'.repeat(deep), 0)).toBe(-1);
});
