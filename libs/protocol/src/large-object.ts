import { ProtocolError } from './errors';
import { endOfJson, startOfMember } from './json-syntax';
import { CLOSE_BRACE, COMMA, endOfString, OPEN_BRACE, OPEN_BRACKET, skipSpace } from './json-text';
import { JsonObject, parseJsonObject } from './json-text-members';

/** What is no longer is parsed as a whole: that is faster. */
const SMALL_CHARACTERS = 16_384;
/** Of so many, the same is true: each has a name, which must be made. */
const MANY_MEMBERS = 1_000;
/** More than anybody has. */
const MOST_MEMBERS = 10_000;

/**
 * As `parseJsonObject`, for a text that may be large and of which little is read. Of a large one, as a rule only scalars of some
 * members are made; an array or object there is an empty one, and any other member is `true`, or `null`.
 *
 * @param what how error texts call it, e.g. `the body`
 * @param wanted names of members that are read
 * @throws ProtocolError `MALFORMED_MESSAGE`, also for a large one of more than 10,000 members
 */
export function parseScalars(text: string, what: string, wanted: ReadonlySet<string>): JsonObject {
  if (text.length <= SMALL_CHARACTERS) return parseJsonObject(text, what);
  const refuse = (problem: string): never => {
    throw new ProtocolError('MALFORMED_MESSAGE', `${what} must ${problem}`);
  };
  // Without a prototype, because a member may have any name.
  const object = Object.create(null) as Record<string, unknown>;
  let i = skipSpace(text, 0);
  if (text.charCodeAt(i) !== OPEN_BRACE) return refuse('be a JSON object');
  i = skipSpace(text, i + 1);
  let isMany = false;
  for (let members = 0; members > 0 || text.charCodeAt(i) !== CLOSE_BRACE; members++) {
    if (members === MOST_MEMBERS) return refuse(`have at most ${MOST_MEMBERS} members`);
    const start = startOfMember(text, i);
    const end = start < 0 ? -1 : endOfJson(text, start);
    if (end < 0) return refuse('be valid JSON');
    isMany = members >= MANY_MEMBERS;
    const name = isMany ? '' : (JSON.parse(text.slice(i, endOfString(text, i))) as string);
    object[name] = wanted.has(name) ? scalar(text, start, end) : text.startsWith('null', start) ? null : true;
    i = skipSpace(text, end);
    if (text.charCodeAt(i) === CLOSE_BRACE) break;
    if (text.charCodeAt(i) !== COMMA) return refuse('be valid JSON');
    i = skipSpace(text, i + 1);
  }
  if (skipSpace(text, i + 1) !== text.length) return refuse('be valid JSON');
  return isMany ? parseJsonObject(text, what) : object;
}

function scalar(text: string, start: number, end: number): unknown {
  const code = text.charCodeAt(start);
  if (code === OPEN_BRACE) return {};
  return code === OPEN_BRACKET ? [] : JSON.parse(text.slice(start, end));
}
