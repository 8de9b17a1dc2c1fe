import {
  ACCESS_KEY,
  amzDateOf,
  FUNCTION_ARN,
  FUNCTION_NAME,
  sendRequest,
  signed,
  ToSign,
  WireRequest,
} from '../aws/signed-request';
import { startAll } from './publish-api';

/**
 * Hundreds of ways to spoil a signed request. Each of them is refused by its right name, and when all have been sent the
 * streams hold not one message more.
 */
const OTHER_KEY = { id: 'AKIAOTHEROTHEROTHERO', secret: 'another-secret' };
const MESSAGE = '{"channel":"spoilt","event":"e","data":{"amount":100}}';
let all: Awaited<ReturnType<typeof startAll>>;

beforeAll(async () => {
  const keys = [ACCESS_KEY, OTHER_KEY].map(({ id, secret }) => `${id}:${secret}`);
  all = await startAll({
    HEARTH_AWS_ACCESS_KEYS: keys.join(),
    HEARTH_PUBLISH_FUNCTION_NAMES: `${FUNCTION_NAME},second`,
  });
});
afterAll(() => all?.stop());

type Name =
  | 'MissingAuthenticationTokenException'
  | 'IncompleteSignatureException'
  | 'UnrecognizedClientException'
  | 'InvalidSignatureException'
  | 'ResourceNotFoundException'
  | 'UnknownOperationException'
  | 'MALFORMED_MESSAGE'
  | 'METHOD_NOT_ALLOWED';
/** What was done to the request, what it has become, and the name of its refusal. */
type Mutation = readonly [what: string, request: WireRequest, name: Name];

const SIGNED_HEADERS = {
  'content-type': 'application/octet-stream',
  'x-amz-invocation-type': 'RequestResponse',
  'x-amz-log-type': 'None',
  'x-amz-security-token': 'session-token',
};
const sign = (more: Partial<ToSign> = {}): WireRequest =>
  signed({
    host: `127.0.0.1:${all.app.port}`,
    body: MESSAGE,
    functionName: FUNCTION_ARN,
    query: 'Qualifier=%24LATEST',
    headers: SIGNED_HEADERS,
    ...more,
  });

/** The request with the values of one header replaced: none takes it out, two send it twice. */
function withHeader(request: WireRequest, name: string, change: (value: string) => readonly string[]): WireRequest {
  const headers = request.headers.flatMap((key, at) => {
    if (at % 2 === 1) return [];
    const value = request.headers[at + 1]!;
    return key.toLowerCase() === name ? change(value).flatMap((changed) => [key, changed]) : [key, value];
  });
  return { ...request, headers };
}

function withAuthorization(request: WireRequest, change: (value: string) => string): WireRequest {
  return withHeader(request, 'authorization', (value) => [change(value)]);
}

const valueOf = (request: WireRequest, name: string): string =>
  request.headers[request.headers.findIndex((it, at) => at % 2 === 0 && it.toLowerCase() === name) + 1]!;
const replaceAt = (text: string, at: number, by: string): string => text.slice(0, at) + by + text.slice(at + 1);
const nextDigit = (digit: string): string => String((Number(digit) + 1) % 10);

function headerMutations(): Mutation[] {
  const good = sign();
  const names = ['host', 'x-amz-date', 'x-amz-content-sha256', ...Object.keys(SIGNED_HEADERS)];
  return names.flatMap((name): Mutation[] => {
    const missing = name === 'x-amz-date' ? 'IncompleteSignatureException' : 'InvalidSignatureException';
    // Nobody could say for whom it is, so it is refused before it is known as an invocation.
    const twice = name === 'host' ? 'MALFORMED_MESSAGE' : 'InvalidSignatureException';
    const changes: [string, (value: string) => readonly string[], Name][] = [
      ['has one character more', (value) => [`${value}0`], missing],
      ['has one character less', (value) => [value.slice(0, -1)], missing],
      ['begins differently', (value) => [`0${value.slice(1)}`], 'InvalidSignatureException'],
      ['is empty', () => [''], missing],
      ['comes twice', (value) => [value, value], twice],
      ['comes twice, differently', (value) => [value, `${value}0`], twice],
    ];
    // Without a Host it is no HTTP request.
    if (name !== 'host') changes.push(['is missing', () => [], missing]);
    return changes.map(([what, change, refusal]) => [`${name} ${what}`, withHeader(good, name, change), refusal]);
  });
}

function signatureMutations(): Mutation[] {
  const good = sign();
  const signature = /Signature=(.*)/.exec(valueOf(good, 'authorization'))![1]!;
  const become = (what: string, changed: string, name: Name = 'InvalidSignatureException'): Mutation => [
    `the signature ${what}`,
    withAuthorization(good, (value) => value.replace(signature, changed)),
    name,
  ];
  const digits = [...signature].map((digit, at) => {
    const other = digit === 'f' ? '0' : (Number.parseInt(digit, 16) + 1).toString(16);
    return become(`has another digit at ${at}`, replaceAt(signature, at, other));
  });
  const classes = [...'gzAZ_-+/=.~!*%:@{|'].map((other) => become(`has a ${other}`, replaceAt(signature, 17, other)));
  return [
    ...digits,
    ...classes,
    become('has a comma', replaceAt(signature, 17, ','), 'IncompleteSignatureException'),
    become('has a blank', replaceAt(signature, 17, ' '), 'IncompleteSignatureException'),
    become('has a tab', replaceAt(signature, 17, '\t'), 'IncompleteSignatureException'),
    become('has a byte above ASCII', replaceAt(signature, 17, '\xe9'), 'IncompleteSignatureException'),
    become('is empty', '', 'IncompleteSignatureException'),
    become('is cut', signature.slice(0, -1)),
    become('is half', signature.slice(0, 32)),
    become('is longer', `${signature}0`),
    become('is twice as long', signature + signature),
    become('is in upper case', signature.toUpperCase()),
    become('is zero', '0'.repeat(64)),
    become('is in Base64', Buffer.from(signature, 'hex').toString('base64')),
  ];
}

function authorizationMutations(): Mutation[] {
  const good = sign();
  const change = (what: string, from: string | RegExp, to: string, name: Name): Mutation => {
    const request = withAuthorization(good, (value) => value.replace(from, to));
    expect(request).not.toEqual(good);
    return [`Authorization: ${what}`, request, name];
  };
  const { id } = ACCESS_KEY;
  const [incomplete, unknown, invalid] = [
    'IncompleteSignatureException',
    'UnrecognizedClientException',
    'InvalidSignatureException',
  ] as const;
  return [
    ['Authorization: none', withHeader(good, 'authorization', () => []), 'MissingAuthenticationTokenException'],
    ['Authorization: empty', withAuthorization(good, () => ''), 'MissingAuthenticationTokenException'],
    ['Authorization: twice', withHeader(good, 'authorization', (value) => [value, value]), incomplete],
    change('another algorithm', 'AWS4-HMAC-SHA256', 'AWS4-HMAC-SHA1', incomplete),
    change('algorithm in lower case', 'AWS4-HMAC-SHA256', 'aws4-hmac-sha256', incomplete),
    change('no algorithm', 'AWS4-HMAC-SHA256 ', '', incomplete),
    change('a bearer token', /.*/, 'Bearer abc', incomplete),
    change('no Credential', /Credential=[^,]*, /, '', incomplete),
    change('no SignedHeaders', /SignedHeaders=[^,]*, /, '', incomplete),
    change('no Signature', /, Signature=.*/, '', incomplete),
    change('Signature twice', /$/, ', Signature=0', incomplete),
    change('a part nobody knows', /$/, ', Nonce=0', incomplete),
    change('no commas', /, /g, ' ', incomplete),
    change('an unknown key', id, 'AKIANOBODY', unknown),
    change('a key in lower case', id, id.toLowerCase(), unknown),
    change('a key cut short', id, id.slice(0, -1), unknown),
    change('a key with more', id, `${id}X`, unknown),
    change('a key of the prototype', id, '__proto__', unknown),
    change("somebody else's key", id, OTHER_KEY.id, invalid),
    change('no key', id, '', incomplete),
    change('another region', 'us-east-1', 'us-east-2', invalid),
    change('region in upper case', 'us-east-1', 'US-EAST-1', invalid),
    change('no region', '/us-east-1', '', incomplete),
    change('an empty region', '/us-east-1/', '//', incomplete),
    change('another service', '/lambda/', '/s3/', invalid),
    change('service in upper case', '/lambda/', '/LAMBDA/', invalid),
    change('no service', '/lambda', '', incomplete),
    change('another end', 'aws4_request', 'aws5_request', incomplete),
    change('no end', '/aws4_request', '', incomplete),
    change('one part more', 'aws4_request', 'aws4_request/x', incomplete),
    change('yesterday', /\/\d{8}\//, `/${amzDateOf(new Date(Date.now() - 86_400_000)).slice(0, 8)}/`, invalid),
    change('no day', /\/\d{8}/, '', incomplete),
    change('host not signed', ';host', '', invalid),
    change('x-amz-date not signed', ';x-amz-date', '', invalid),
    change('the type not signed', ';x-amz-invocation-type', '', invalid),
    change('the session not signed', ';x-amz-security-token', '', invalid),
    change('one more header signed', 'content-type;', 'accept;content-type;', invalid),
    change('a header signed twice', 'content-type;', 'content-type;content-type;', incomplete),
    change('a header in upper case', 'content-type;', 'Content-Type;', incomplete),
    change('headers in another order', 'content-type;host', 'host;content-type', invalid),
    change('an empty header name', 'content-type;', ';content-type;', incomplete),
  ];
}

/** `Date` takes 31 November for 1 December. */
function isTime(amzDate: string): boolean {
  const ms = Date.parse(amzDate.replace(/^(....)(..)(..)T(..)(..)(..)Z$/, '$1-$2-$3T$4:$5:$6Z'));
  return !Number.isNaN(ms) && amzDateOf(new Date(ms)) === amzDate;
}

function dateMutations(): Mutation[] {
  const good = sign();
  const amzDate = valueOf(good, 'x-amz-date');
  const digits = [...amzDate].flatMap((character, at): Mutation[] => {
    if (!/\d/.test(character)) return [];
    const changed = replaceAt(amzDate, at, nextDigit(character));
    const name = isTime(changed) ? 'InvalidSignatureException' : 'IncompleteSignatureException';
    return [[`x-amz-date ${changed}`, withHeader(good, 'x-amz-date', () => [changed]), name]];
  });
  // Signed as it should be, and sent too late or too early.
  const replays = [301, 330, 600, 3_600, 86_400, 604_800, 31_536_000].flatMap((seconds): Mutation[] =>
    [-seconds, seconds + 5].map((away) => [
      `signed ${away} s away`,
      sign({ at: new Date(Date.now() + away * 1000) }),
      'InvalidSignatureException',
    ]),
  );
  const rolledBack = sign({ at: new Date(Date.now() - 3_600_000) });
  return [
    ...digits,
    ...replays,
    // Captured an hour ago, with a fresh date put in.
    ['captured, with a new date', withHeader(rolledBack, 'x-amz-date', () => [amzDate]), 'InvalidSignatureException'],
    [
      'another format',
      withHeader(good, 'x-amz-date', () => [new Date().toISOString()]),
      'IncompleteSignatureException',
    ],
  ];
}

function pathMutations(): Mutation[] {
  const good = sign();
  const path = (
    what: string,
    from: string | RegExp,
    to: string,
    name: Name = 'InvalidSignatureException',
  ): Mutation => {
    const request = { ...good, path: good.path.replace(from, to) };
    expect(request).not.toEqual(good);
    return [`path: ${what}`, request, name];
  };
  return [
    path('colons as they are', /%3A/g, ':'),
    path('one colon as it is', '%3A', ':'),
    path('hexadecimal digits in lower case', /%3A/g, '%3a'),
    path('encoded twice', /%3A/g, '%253A'),
    path('a letter encoded', 'Hearth', '%48earth'),
    path('another function', FUNCTION_NAME, 'second'),
    path('another account', '123456789012', '123456789013'),
    path('another region', 'eu-central-1', 'us-east-1'),
    path('the name alone', /arn[^/]*/, FUNCTION_NAME),
    path('an unknown function', FUNCTION_NAME, 'unknown'),
    path('no encoding at all', '%3A', '%zz', 'MALFORMED_MESSAGE'),
    path('half an encoding', '/invocations', '%/invocations', 'MALFORMED_MESSAGE'),
    path('bytes that are no text', '%3A', '%C3%28', 'MALFORMED_MESSAGE'),
    path('another qualifier', '%24LATEST', '1'),
    path('a qualifier as it is', '%24LATEST', '$LATEST'),
    path('no qualifier', /\?.*/, ''),
    path('two qualifiers', /$/, '&Qualifier=1'),
    path('more in the query', /$/, '&a=b'),
    path('an empty member in the query', /$/, '&'),
    path('the qualifier in lower case', 'Qualifier', 'qualifier'),
    path('a slash at the end', '/invocations', '/invocations/', 'UnknownOperationException'),
    path('another operation', '/invocations', '/configuration', 'UnknownOperationException'),
    path('another date', '2015-03-31', '2014-11-13', 'UnknownOperationException'),
    path('a step up', '/functions/', '/x/../functions/', 'UnknownOperationException'),
    ['method GET', { ...good, method: 'GET' }, 'METHOD_NOT_ALLOWED'],
    ['method PUT', { ...good, method: 'PUT' }, 'METHOD_NOT_ALLOWED'],
    ['method DELETE', { ...good, method: 'DELETE' }, 'METHOD_NOT_ALLOWED'],
    ['a genuine request to an unknown function', sign({ functionName: 'unknown' }), 'ResourceNotFoundException'],
  ];
}

function bodyMutations(): Mutation[] {
  const announced = sign();
  const silent = sign({ silentBody: true });
  const bodies: [string, string][] = [
    ['another number', MESSAGE.replace('100', '999')],
    ['another channel', MESSAGE.replace('spoilt', 'secret')],
    ['a blank more', `${MESSAGE} `],
    ['a line feed more', `${MESSAGE}\n`],
    ['a blank before', ` ${MESSAGE}`],
    ['a byte order mark', `\ufeff${MESSAGE}`],
    ['a member more', MESSAGE.replace('}}', '},"store":-1}')],
    ['cut', MESSAGE.slice(0, -1)],
    ['empty', ''],
    ['twice', MESSAGE + MESSAGE],
    ['another case', MESSAGE.toUpperCase()],
    ['a null byte', MESSAGE.replace('100', '10\0')],
    ['not JSON', 'x'],
    ...[...MESSAGE].flatMap((character, at): [string, string][] =>
      at % 4 === 0 ? [[`another byte at ${at}`, replaceAt(MESSAGE, at, character === 'x' ? 'y' : 'x')]] : [],
    ),
  ];
  return [
    ...bodies.flatMap(([what, body]): Mutation[] => [
      [`body: ${what}`, { ...announced, body }, 'InvalidSignatureException'],
      [`unannounced body: ${what}`, { ...silent, body }, 'InvalidSignatureException'],
    ]),
    [
      'the body announced as unsigned',
      withHeader(announced, 'x-amz-content-sha256', () => ['UNSIGNED-PAYLOAD']),
      'InvalidSignatureException',
    ],
    [
      'the body signed as unsigned',
      sign({ headers: { ...SIGNED_HEADERS, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' } }),
      'InvalidSignatureException',
    ],
    [
      'a type added to a request that had none',
      ((request) => ({ ...request, headers: [...request.headers, 'X-Amz-Invocation-Type', 'Event'] }))(
        sign({ headers: {} }),
      ),
      'InvalidSignatureException',
    ],
  ];
}

it('refuses every spoilt request by its right name and publishes none', async () => {
  const good = sign();
  expect((await sendRequest(all.app.port, good)).status).toBe(200);
  expect((await sendRequest(all.app.port, sign({ silentBody: true }))).status).toBe(200);
  const before = await all.queue.total();
  const mutations = [
    ...headerMutations(),
    ...signatureMutations(),
    ...authorizationMutations(),
    ...dateMutations(),
    ...pathMutations(),
    ...bodyMutations(),
  ];
  expect(mutations.length).toBeGreaterThan(200);
  expect(new Set(mutations.map(([what]) => what)).size).toBe(mutations.length);
  const outcomes = [];
  for (const [what, request] of mutations) {
    const { status, headers, text } = await sendRequest(all.app.port, request);
    const code = (JSON.parse(text) as { error?: { code: string } }).error?.code;
    outcomes.push([what, headers['x-amzn-errortype'] ?? code, status >= 400]);
  }
  expect(outcomes).toEqual(mutations.map(([what, , name]) => [what, name, true]));
  expect(await all.queue.total()).toBe(before);
  // The request itself is as good as before, and one more message is all that arrives.
  expect((await sendRequest(all.app.port, good)).status).toBe(200);
  expect(await all.queue.total()).toBe(before + 1);
});
