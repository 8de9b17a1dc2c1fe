/**
 * What never reaches a log, at any level (configuration §5): API keys, connection secrets, AWS secrets, tokens and
 * query strings. Two nets, because either alone has holes: members with a telling name lose their value, and every
 * finished line is searched for text that has the shape of a secret (an error message may quote a URL).
 */

const REDACTED = '[redacted]';

const SECRET_NAME =
  /^(authorization|proxy-authorization|authentication|cookie|set-cookie|password|passwd|secret|encoded|credentials|query|querystring|.*(token|secret|api-?_?keys?|access-?_?keys?|password))$/i;

/** Members of one log record that are looked at; a payload logged at DEBUG can be large. */
const MAX_MEMBERS = 2_000;
const MAX_DEPTH = 12;

/**
 * Text in the shape of a secret, and what takes its place: JSON Web Tokens, credentials of `Authorization`, user and
 * password in URLs, telling query members. None of the expressions can start twice in one run of characters, so their
 * time grows with the length of the line and no faster.
 */
const SHAPES: readonly (readonly [RegExp, string])[] = [
  [/(?<![\w-])(?:eyJ|eyA|ewo|ewk|ew0)[\w-]+\.[\w-]+(?:\.[\w-]*)?/g, REDACTED],
  [/\b(Bearer|Basic)\s+[^\s"',\\]+/gi, `$1 ${REDACTED}`],
  [/(:\/\/)[^\s/"'?#@]+(?=@)/g, `$1${REDACTED}`],
  [/([?&](?:token|resume|connectionSecret|apiKey|password|secret)=)[^&\s"'\\]*/gi, `$1${REDACTED}`],
];

/** A copy of a log record without secrets; errors become plain objects with their causes. */
export function redact(record: object): Record<string, unknown> {
  const budget = { members: MAX_MEMBERS };
  return redactMembers(record, 0, budget, new Set());
}

/** `text` (one finished line) with everything that looks like a secret taken out. */
export function redactText(text: string): string {
  let clean = text;
  for (const [shape, replacement] of SHAPES) clean = clean.replace(shape, replacement);
  return clean;
}

/**
 * A URL that may be logged: the query string is dropped (it carries tokens and connection secrets) and so are user
 * name and password. Works on absolute URLs and on request targets.
 */
export function redactUrl(url: string): string {
  const query = url.indexOf('?');
  const path = query === -1 ? url : `${url.slice(0, query)}?${REDACTED}`;
  return redactText(path);
}

interface Budget {
  members: number;
}

function redactValue(value: unknown, depth: number, budget: Budget, seen: Set<object>): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object' || value === null) return value;
  if (seen.has(value)) return '[circular]';
  if (depth >= MAX_DEPTH) return '[too deep]';
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  seen.add(value);
  const copy = Array.isArray(value)
    ? redactItems(value, depth, budget, seen)
    : redactMembers(value, depth, budget, seen);
  seen.delete(value);
  return copy;
}

function redactItems(items: readonly unknown[], depth: number, budget: Budget, seen: Set<object>): unknown[] {
  const kept = items.slice(0, Math.max(0, budget.members));
  budget.members -= kept.length;
  return kept.map((item) => redactValue(item, depth + 1, budget, seen));
}

function redactMembers(value: object, depth: number, budget: Budget, seen: Set<object>): Record<string, unknown> {
  if (value instanceof Date) return { date: value.toISOString() };
  const copy: Record<string, unknown> = {};
  for (const [name, member] of entriesOf(value)) {
    if (--budget.members < 0) {
      copy['…'] = 'more members left out';
      break;
    }
    copy[name] = SECRET_NAME.test(name) && isFilled(member) ? REDACTED : redactUrlMember(name, member);
    if (copy[name] === member) copy[name] = redactValue(member, depth + 1, budget, seen);
  }
  return copy;
}

/** Members with these names are request targets: their query string goes as a whole. */
function redactUrlMember(name: string, member: unknown): unknown {
  return typeof member === 'string' && /^(url|originalUrl|requestUrl)$/i.test(name) ? redactUrl(member) : member;
}

function entriesOf(value: object): readonly (readonly [string, unknown])[] {
  if (value instanceof Map)
    return [...(value as Map<unknown, unknown>)].map(([name, member]) => [String(name), member]);
  if (!(value instanceof Error)) return Object.entries(value);
  const { name, message, stack, cause } = value;
  const own = Object.entries(value).filter(([key]) => !['name', 'message', 'stack', 'cause'].includes(key));
  return [
    ['type', name],
    ['message', message],
    ['stack', stack],
    ...(cause === undefined ? [] : [['cause', cause] as const]),
    ...own,
  ];
}

/** `token: true` or `token: null` says something and gives nothing away. */
function isFilled(member: unknown): boolean {
  return member !== null && member !== undefined && typeof member !== 'boolean' && member !== '';
}
