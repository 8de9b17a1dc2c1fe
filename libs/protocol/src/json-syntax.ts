import {
  BACKSLASH,
  CLOSE_BRACE,
  CLOSE_BRACKET,
  COLON,
  COMMA,
  OPEN_BRACE,
  OPEN_BRACKET,
  QUOTE,
  skipSpace,
} from './json-text';

/**
 * Where JSON (RFC 8259) ends in a text, without making anything of it: `JSON.parse` makes an object of each `{}` and a property of
 * each name, 65 ns a byte at worst, for what nobody reads. This takes some 6 whatever it is. It accepts what `JSON.parse` does.
 */

/** Of the two closing characters, each is two behind its opening one. */
const OPEN_TO_CLOSE = 2;
const SHORT_ESCAPES = '"\\/bfnrt';
const LETTER_U = 0x75;
const HEX = /^[0-9a-fA-F]{4}$/;
const MINUS = 0x2d;
const PLUS = 0x2b;
const POINT = 0x2e;
const ZERO = 0x30;
const LETTER_E = 0x65;

/**
 * @param from where a value begins, behind white space
 * @returns the index behind it; -1 when there is none
 */
export function endOfJson(text: string, from: number): number {
  /** What closes the arrays and objects around the place. */
  const closers: number[] = [];
  let i = from;
  for (;;) {
    const code = text.charCodeAt(i);
    if (code === OPEN_BRACE || code === OPEN_BRACKET) {
      const closer = code + OPEN_TO_CLOSE;
      i = skipSpace(text, i + 1);
      if (text.charCodeAt(i) === closer) i++;
      else {
        closers.push(closer);
        if (closer === CLOSE_BRACE && (i = startOfMember(text, i)) < 0) return -1;
        continue;
      }
    } else if ((i = code === QUOTE ? endOfJsonString(text, i) : endOfScalar(text, i)) < 0) return -1;
    // Behind a value.
    for (;;) {
      const closer = closers.at(-1);
      if (closer === undefined) return i;
      i = skipSpace(text, i);
      const next = text.charCodeAt(i);
      if (next !== closer && next !== COMMA) return -1;
      i++;
      if (next === closer) {
        closers.pop();
        continue;
      }
      i = skipSpace(text, i);
      if (closer === CLOSE_BRACE && (i = startOfMember(text, i)) < 0) return -1;
      break;
    }
  }
}

/**
 * @param from where the name of a member begins
 * @returns where its value begins; -1 when there is no member
 */
export function startOfMember(text: string, from: number): number {
  if (text.charCodeAt(from) !== QUOTE) return -1;
  const end = endOfJsonString(text, from);
  if (end < 0) return -1;
  const colon = skipSpace(text, end);
  return text.charCodeAt(colon) === COLON ? skipSpace(text, colon + 1) : -1;
}

/**
 * The elements of the array that `text` holds, each as written, and each found when it is asked for.
 *
 * @returns whether the text is an array, when there are no more
 */
export function* elementsOf(text: string): Generator<string, boolean> {
  let i = skipSpace(text, 0);
  if (text.charCodeAt(i) !== OPEN_BRACKET) return false;
  i = skipSpace(text, i + 1);
  for (let isFirst = true; !isFirst || text.charCodeAt(i) !== CLOSE_BRACKET; isFirst = false) {
    const end = endOfJson(text, i);
    if (end < 0) return false;
    yield text.slice(i, end);
    i = skipSpace(text, end);
    if (text.charCodeAt(i) === CLOSE_BRACKET) break;
    if (text.charCodeAt(i) !== COMMA) return false;
    i = skipSpace(text, i + 1);
  }
  return skipSpace(text, i + 1) === text.length;
}

function endOfJsonString(text: string, from: number): number {
  for (let i = from + 1; ; i++) {
    const code = text.charCodeAt(i);
    if (code === QUOTE) return i + 1;
    if (code === BACKSLASH) {
      i++;
      if (text.charCodeAt(i) === LETTER_U && HEX.test(text.slice(i + 1, i + 5))) i += 4;
      else if (i >= text.length || !SHORT_ESCAPES.includes(text.charAt(i))) return -1;
      // Also behind the end of the text, where there is no code.
    } else if (!(code >= 0x20)) return -1;
  }
}

function endOfScalar(text: string, from: number): number {
  for (const word of ['true', 'false', 'null']) if (text.startsWith(word, from)) return from + word.length;
  let i = text.charCodeAt(from) === MINUS ? from + 1 : from;
  i = text.charCodeAt(i) === ZERO ? i + 1 : endOfDigits(text, i);
  if (i >= 0 && text.charCodeAt(i) === POINT) i = endOfDigits(text, i + 1);
  if (i >= 0 && (text.charCodeAt(i) | 0x20) === LETTER_E) {
    const sign = text.charCodeAt(i + 1);
    i = endOfDigits(text, sign === PLUS || sign === MINUS ? i + 2 : i + 1);
  }
  return i;
}

/** @returns -1 when there is none */
function endOfDigits(text: string, from: number): number {
  let i = from;
  while (isDigit(text.charCodeAt(i))) i++;
  return i === from ? -1 : i;
}

function isDigit(code: number): boolean {
  return code >= ZERO && code < ZERO + 10;
}
