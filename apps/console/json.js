/** JSON as text. Numbers and strings are never read and written again, because that would change some of them. */

const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.eE+-]*|true|false|null|[{}[\],:]/g;
/** What is shown of a large value in one line. */
const MAX_PREVIEW_TOKENS = 60;
const MAX_PREVIEW_TEXT = 200;

/** @returns {unknown} `undefined` when the text is not JSON */
export function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * What the user typed as data: JSON stays as it is, other text becomes a string, nothing stays nothing.
 *
 * @param {string} text
 * @returns {string | undefined} JSON text
 * @throws {SyntaxError} for what begins like JSON and is none
 */
export function dataText(text) {
  const trimmed = text.trim();
  if (trimmed === '') return undefined;
  if (parseJson(trimmed) !== undefined) return trimmed;
  if (/^[{["]/.test(trimmed)) throw new SyntaxError('This begins like JSON, but is not valid JSON');
  return JSON.stringify(text);
}

/**
 * @param {Record<string, string | undefined>} members JSON texts by name; those without value are left out
 * @returns {string} JSON text of the object
 */
export function objectText(members) {
  const given = Object.entries(members).filter(([, value]) => value !== undefined);
  return `{${given.map(([name, value]) => `${JSON.stringify(name)}:${value}`).join(',')}}`;
}

/**
 * The members of an object, each value as the text it was written in.
 *
 * @param {string} text
 * @returns {Map<string, string>} JSON texts by name; empty for what is no object
 */
export function membersOf(text) {
  const members = new Map();
  const value = parseJson(text);
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return members;
  let depth = 0;
  let name;
  let start = 0;
  for (const { 0: token, index } of text.matchAll(TOKEN)) {
    if (depth === 1) {
      if (token === ':') start = index + 1;
      else if (token !== ',' && token !== '}') name ??= JSON.parse(token);
      else if (name !== undefined) {
        members.set(name, text.slice(start, index).trim());
        name = undefined;
      }
    }
    if (isOpening(token)) depth += 1;
    if (isClosing(token)) depth -= 1;
  }
  return members;
}

/**
 * @param {string} text
 * @returns {DocumentFragment} the text in colours, one member a line; other text than JSON as it is
 */
export function prettyJson(text) {
  const fragment = new DocumentFragment();
  if (parseJson(text) === undefined) {
    fragment.append(text);
    return fragment;
  }
  const tokens = tokensOf(text);
  let depth = 0;
  const newLine = () => fragment.append(`\n${'  '.repeat(depth)}`);
  tokens.forEach((token, index) => {
    const [previous, next] = [tokens[index - 1], tokens[index + 1]];
    const isEmpty = isOpening(previous) && isClosing(token);
    if (isClosing(token)) {
      depth -= 1;
      if (!isEmpty) newLine();
    }
    fragment.append(coloured(token, next));
    if (token === ':') fragment.append(' ');
    if (isOpening(token)) {
      depth += 1;
      if (!isClosing(next)) newLine();
    }
    if (token === ',') newLine();
  });
  return fragment;
}

/**
 * @param {string} text
 * @returns {DocumentFragment} the beginning of the text in colours, in one line
 */
export function previewJson(text) {
  const fragment = new DocumentFragment();
  if (parseJson(text) === undefined) {
    fragment.append(text.slice(0, MAX_PREVIEW_TEXT));
    return fragment;
  }
  const tokens = tokensOf(text);
  tokens.slice(0, MAX_PREVIEW_TOKENS).forEach((token, index) => {
    const shown = token.length > MAX_PREVIEW_TEXT ? `${token.slice(0, MAX_PREVIEW_TEXT)}…` : token;
    fragment.append(coloured(shown, tokens[index + 1]));
    if (token === ':' || token === ',') fragment.append(' ');
  });
  if (tokens.length > MAX_PREVIEW_TOKENS) fragment.append(' …');
  return fragment;
}

const tokensOf = (text) => text.match(TOKEN) ?? [];
const isOpening = (token) => token === '{' || token === '[';
const isClosing = (token) => token === '}' || token === ']';

/** Data only ever becomes text of the page. */
function coloured(token, next) {
  const element = document.createElement('span');
  element.className = kindOf(token, next);
  element.textContent = token;
  return element;
}

function kindOf(token, next) {
  if (token.startsWith('"')) return next === ':' ? 'json-name' : 'json-string';
  if (/^[-\d]/.test(token)) return 'json-number';
  return /^[tfn]/.test(token) ? 'json-word' : 'json-mark';
}
