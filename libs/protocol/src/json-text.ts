import { MAX_JSON_DEPTH } from './limits';

/**
 * JSON as text. A publisher's `data` travels from door to socket as the bytes it was written in (a 20-digit integer
 * stays 20 digits, members keep their order), so it is cut out of the request instead of being parsed and written anew.
 *
 * All functions here but `elementsOf` expect JSON; they only find boundaries (`json-syntax.ts` tells whether it is).
 */

export const QUOTE = 0x22;
export const BACKSLASH = 0x5c;
export const COMMA = 0x2c;
export const COLON = 0x3a;
export const OPEN_BRACKET = 0x5b;
export const CLOSE_BRACKET = 0x5d;
export const OPEN_BRACE = 0x7b;
export const CLOSE_BRACE = 0x7d;

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;
}

/** Index of the first character from `from` that is no white space. */
export function skipSpace(text: string, from: number): number {
  let i = from;
  while (isSpace(text.charCodeAt(i))) i++;
  return i;
}

/** Index just after the closing quote of the string that opens at `from`; of the text's end when there is none. */
export function endOfString(text: string, from: number, until = text.length): number {
  let quote = text.indexOf('"', from + 1);
  for (;;) {
    if (quote < 0) return text.length;
    if (quote >= until) return quote;
    let backslashes = 0;
    while (text.charCodeAt(quote - 1 - backslashes) === BACKSLASH) backslashes++;
    if (backslashes % 2 === 0) return quote + 1;
    quote = text.indexOf('"', quote + 1);
  }
}

/**
 * Index just after the value that begins at `from`, and how deep it is nested (0 for a scalar). Of what is no JSON it is any index.
 *
 * @param until where it may end at the latest; else the index is somewhere behind that
 */
function endOfValue(text: string, from: number, until = text.length): { end: number; depth: number } {
  let depth = 0;
  let deepest = 0;
  let i = from;
  do {
    const code = text.charCodeAt(i);
    if (code === QUOTE) {
      i = endOfString(text, i, until);
    } else if (code === OPEN_BRACE || code === OPEN_BRACKET) {
      depth++;
      if (depth > deepest) deepest = depth;
      i++;
    } else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) {
      depth--;
      i++;
    } else if (depth > 0) {
      i++;
    } else {
      while (i < until && !isEndOfScalar(text.charCodeAt(i))) i++;
    }
  } while (depth > 0 && i < until);
  return { end: i, depth: deepest };
}

function isEndOfScalar(code: number): boolean {
  return code === COMMA || code === CLOSE_BRACE || code === CLOSE_BRACKET || isSpace(code);
}

/** A value as it stands in the text. */
export interface JsonSlice {
  readonly text: string;
  /** Levels of nesting, 0 for a scalar. */
  readonly depth: number;
}

/**
 * The value of a member of the object that `text` holds, as written; `undefined` when it has no such member. The last
 * of several members with one name counts, as for `JSON.parse`.
 */
export function memberText(text: string, name: string): JsonSlice | undefined {
  const written = JSON.stringify(name);
  let found: JsonSlice | undefined;
  let i = skipSpace(text, skipSpace(text, 0) + 1);
  while (text.charCodeAt(i) === QUOTE) {
    const keyEnd = endOfString(text, i);
    const key = text.slice(i, keyEnd);
    const valueStart = skipSpace(text, skipSpace(text, keyEnd) + 1);
    const { end, depth } = endOfValue(text, valueStart);
    if (key === written || (key.includes('\\') && JSON.parse(key) === name)) {
      found = { text: text.slice(valueStart, end), depth };
    }
    i = skipSpace(text, end);
    if (text.charCodeAt(i) === COMMA) i = skipSpace(text, i + 1);
  }
  return found;
}

/**
 * Names of the members of the object that `text` holds, as often as they stand there and in that order, which `JSON.parse` does not
 * keep: it moves names that look like array indexes to the front.
 */
export function memberNames(text: string): string[] {
  const names: string[] = [];
  let i = skipSpace(text, skipSpace(text, 0) + 1);
  while (text.charCodeAt(i) === QUOTE) {
    const keyEnd = endOfString(text, i);
    names.push(JSON.parse(text.slice(i, keyEnd)) as string);
    i = skipSpace(text, endOfValue(text, skipSpace(text, skipSpace(text, keyEnd) + 1)).end);
    if (text.charCodeAt(i) === COMMA) i = skipSpace(text, i + 1);
  }
  return names;
}

/**
 * The elements of the array that `text` holds, each as written, and each found when it is asked for. The text is an array when each
 * of them is JSON, which is not looked at.
 *
 * @param most characters of an element: of a longer one a part is given that is longer, too, and that is all
 * @returns whether the text is an array, whatever its elements are, when there are no more
 */
export function* elementsOf(text: string, most = Infinity): Generator<string, boolean> {
  let i = skipSpace(text, 0);
  if (text.charCodeAt(i) !== OPEN_BRACKET) return false;
  i = skipSpace(text, i + 1);
  for (let isFirst = true; !isFirst || text.charCodeAt(i) !== CLOSE_BRACKET; isFirst = false) {
    const { end } = endOfValue(text, i, Math.min(text.length, i + most + 1));
    yield text.slice(i, end);
    if (end - i > most) return false;
    i = skipSpace(text, end);
    if (text.charCodeAt(i) === CLOSE_BRACKET) break;
    if (text.charCodeAt(i) !== COMMA) return false;
    i = skipSpace(text, i + 1);
  }
  return skipSpace(text, i + 1) === text.length;
}

/**
 * UTF-8 bytes of the value in compact form: without white space and with strings in their shortest JSON spelling
 * (publish-api §3.1), so that an encoder that writes `\u00e9` for `é` has no smaller limit. Numbers count as written,
 * because they are passed on as written. Ends where it is more than `enough`.
 */
function compactBytes(text: string, enough: number): number {
  let bytes = 0;
  let i = 0;
  while (i < text.length && bytes <= enough) {
    const code = text.charCodeAt(i);
    if (code === QUOTE) {
      const end = endOfString(text, i);
      bytes += Buffer.byteLength(JSON.stringify(JSON.parse(text.slice(i, end))));
      i = end;
    } else {
      if (!isSpace(code)) bytes++;
      i++;
    }
  }
  return bytes;
}

/** Whether the compact form of the value exceeds `max` bytes; cheap for values that are nowhere near it. */
export function exceedsCompactBytes(text: string, max: number): boolean {
  // The compact form is never longer than the text, and a UTF-16 unit is at most three bytes.
  if (text.length * 3 <= max) return false;
  return Buffer.byteLength(text) > max && compactBytes(text, max) > max;
}

export function tooDeep(slice: JsonSlice): boolean {
  return slice.depth > MAX_JSON_DEPTH;
}

/** A value's JSON type with its article, for error texts (websocket-protocol §6): `a string`, `an array`, `a null`, … */
export function typeName(value: unknown): string {
  if (value === null) return 'a null';
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
