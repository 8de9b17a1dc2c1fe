import { randomUUID } from 'node:crypto';

/**
 * Numbers that JavaScript can not hold as they are written (`1e400`, twenty digits). What an installation answers passes
 * them on, so the command shows them as they came. Each is a string with a mark while it is on its way through this process.
 */
const MARK = `${randomUUID()}:`;
const STRING_OR_NUMBER = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/g;
const MARKED = new RegExp(`"?${MARK}([\\d.eE+-]+)"?`, 'g');

/**
 * As `JSON.parse`, for what is shown by `exactly`.
 *
 * @throws SyntaxError when it is not JSON
 */
export function parseExactly(text: string): unknown {
  JSON.parse(text);
  return JSON.parse(text.replace(STRING_OR_NUMBER, (token) => (isExact(token) ? token : `"${MARK}${token}"`)));
}

/** A text that was made of such values, with the numbers as they were written. */
export function exactly(text: string): string {
  return text.replace(MARKED, '$1');
}

function isExact(token: string): boolean {
  return token.startsWith('"') || JSON.stringify(JSON.parse(token)) === token;
}
