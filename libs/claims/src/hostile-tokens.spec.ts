import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { Grants } from './grants';
import { parseSigningKey } from './signing-keys';
import { base64url, NOW, NOW_MS, SETTINGS, signHs256, signTexts, signWith } from './testing/signed-tokens';
import { TokenError } from './token-error';
import { type TokenSettings, verifyToken } from './verify-token';

/** Tokens made to break something. Each is refused with a reason; none crashes, none gets in. */

const VALID = { exp: NOW + 60, scope: 'connect' };
const HEADER = '{"alg":"HS256","typ":"JWT"}';
const good = signHs256(VALID);
const [goodHeader = '', goodPayload = '', goodSignature = ''] = good.split('.');

function payload(text: string): string {
  return signTexts(HEADER, text);
}

function header(text: string): string {
  return signTexts(text, JSON.stringify(VALID));
}

function claims(members: object): string {
  return signHs256({ ...VALID, ...members });
}

function channels(entries: object): string {
  return claims({ channels: entries });
}

function directive(name: string, value: unknown): string {
  return channels({ a: { [name]: value } });
}

function message(name: string, value: unknown): string {
  return channels({ a: { messages: { e: { [name]: value } } } });
}

function storage(name: string, value: unknown): string {
  return channels({ a: { storage: { k: { [name]: value } } } });
}

const DEPTH = 10_000;
const deepArray = '['.repeat(DEPTH) + ']'.repeat(DEPTH);
const deepObject = '{"a":'.repeat(DEPTH / 2) + '1' + '}'.repeat(DEPTH / 2);
const ecKeys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const ecPem = ecKeys.publicKey.export({ type: 'spki', format: 'pem' }).toString();
const ecSettings: TokenSettings = {
  ...SETTINGS,
  keys: [parseSigningKey({ slot: 1, method: 'ES256', encoded: Buffer.from(ecPem).toString('base64') })],
};

async function reasonFor(token: string, settings: TokenSettings = SETTINGS): Promise<string> {
  try {
    await verifyToken(token, 'connect', settings, NOW_MS);
    return 'accepted';
  } catch (error) {
    if (!(error instanceof TokenError)) throw error;
    const isTold = token.length > 40 && error.message.includes(token.slice(-40));
    // jest's own comparison is slow; it only has to explain what is wrong.
    if (error.message.length >= 400 || isTold) expect(error.message).toBe('short, and without the token');
    return error.reason;
  }
}

type HostileToken = [name: string, reason: string, token: string];

const NO_BOOLEAN = ['true', '', 1, 0, {}, [], [true]];
const NO_STRING = [1, 0, true, false, {}, [], ['a']];
const NO_DATE = ['1', '2099-01-01', true, false, {}, [], [1]];
const NO_OBJECT = ['x', '', 1, 0, true, false, [], [{}]];
const NO_STORE = [1.5, -2, 3_155_695_201, 1e300, '60', '', true, false, [], {}];

/** A claim or directive with each value that it must not have. */
function wrong(where: string, token: (name: string, value: unknown) => string, names: string[], values: unknown[]) {
  return names.flatMap((name) =>
    values.map((value): HostileToken => [`${where}.${name} ${JSON.stringify(value)}`, 'claims', token(name, value)]),
  );
}

const wrongMessages = (where: string, token: (name: string, value: unknown) => string): HostileToken[] => [
  ...wrong(where, token, ['publish', 'broadcast', 'echo', 'emitPubSubEvent'], NO_BOOLEAN),
  ...wrong(where, token, ['scheduleBefore'], NO_DATE),
  ...wrong(where, token, ['store'], NO_STORE),
  ...wrong(where, token, ['react'], ['x', '', 1, 0, {}, { x: true }, [1], [null], [['x']]]),
];

const WRONG_VALUES: readonly HostileToken[] = [
  ...wrong('token', (name, value) => claims({ [name]: value }), ['exp', 'nbf'], NO_DATE),
  ...wrong(
    'token',
    (name, value) => claims({ [name]: value }),
    ['iss', 'jti', 'uid', 'scope', 'connectionId'],
    NO_STRING,
  ),
  ...wrong(
    'token',
    (name, value) => claims({ jti: 'j', [name]: value }),
    ['singleUse', 'keepAlive', 'closeAtExp', 'umdUpdate', 'umdPropagate'],
    NO_BOOLEAN,
  ),
  ...wrong(
    'token',
    (name, value) => claims({ [name]: value }),
    ['aud'],
    [1, 0, true, false, {}, [1], ['h', 1], [['h']]],
  ),
  ...wrong(
    'token',
    (name, value) => claims({ [name]: value }),
    ['heartbeatTimeout'],
    [0, 4, 601, 5.5, -30, 1e300, '30', true, [], [30], {}],
  ),
  ...wrong('token', (name, value) => claims({ [name]: value }), ['channels', 'limits'], NO_OBJECT),
  ...wrong(
    'limits',
    (name, value) => claims({ limits: { [name]: value } }),
    ['publish', 'subscribe', 'presence', 'storage', 'reaction', 'history', 'frames', 'bytes', 'strikes'],
    ['5', '', true, false, {}, -2, [], [5], [5, 1.5], [5, 0], [0, 5], [-1, 5], [1, 2, 3], ['5', 5], [[5], 5]],
  ),
  ...wrong(
    'limits',
    (name, value) => claims({ limits: { [name]: value } }),
    ['subscriptions', 'uidConnections'],
    ['5', true, {}, [], [5, 5], -2, 1.5],
  ),
  ...wrong('channels', (name, value) => channels({ [name]: value }), ['a', '*', '#regex:a'], NO_OBJECT),
  ...wrong(
    'channel',
    directive,
    ['subscribe', 'autoSubscribe', 'omitFromSubCount', 'getInfo', 'umdUpdate'],
    NO_BOOLEAN,
  ),
  ...wrong('channel', directive, ['alias'], NO_STRING),
  ...wrong('channel', directive, ['historyStart'], NO_DATE),
  ...wrong('channel', directive, ['messages', 'storage'], NO_OBJECT),
  ...wrong('messages', (name, value) => directive('messages', { [name]: value }), ['e', '*'], NO_OBJECT),
  ...wrong('storage', (name, value) => directive('storage', { [name]: value }), ['k', '*'], NO_OBJECT),
  ...wrongMessages('message', message),
  ...wrongMessages('message under patterns', (name, value) =>
    channels({ '*': { messages: { '#regex:e': { [name]: value } } } }),
  ),
  ...wrong('storage entry', storage, ['observe', 'get', 'set', 'emitPubSubEvent'], NO_BOOLEAN),
  ...wrong('storage entry', storage, ['scheduleBefore'], NO_DATE),
  ...wrong('storage entry', storage, ['store'], [0, ...NO_STORE]),
];

const OTHER_ALGORITHMS = 'HS384 HS512 RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA ES256K'.split(' ');

const HOSTILE: readonly HostileToken[] = [
  // Not a compact JWS.
  ['empty', 'malformed', ''],
  ['a word', 'malformed', 'token'],
  ['only dots', 'malformed', '..'],
  ['one segment', 'malformed', goodHeader],
  ['two segments', 'malformed', `${goodHeader}.${goodPayload}`],
  ['four segments', 'malformed', `${good}.${goodSignature}`],
  ['five segments, an encrypted token', 'malformed', 'a.b.c.d.e'],
  ['an empty header', 'malformed', `.${goodPayload}.${goodSignature}`],
  ['an empty payload', 'malformed', `${goodHeader}..${goodSignature}`],
  ['a trailing line break', 'malformed', `${good}\n`],
  ['a leading blank', 'malformed', ` ${good}`],
  ['padding', 'malformed', `${goodHeader}=.${goodPayload}.${goodSignature}`],
  ['padding after the signature', 'malformed', `${good}=`],
  ['characters of plain Base64', 'malformed', `${goodHeader}.${goodPayload}.+${goodSignature.slice(1, -1)}/`],
  ['a null character', 'malformed', `${good}\u0000`],
  ['percent encoding', 'malformed', good.replaceAll('.', '%2E')],
  ['100 kB', 'malformed', claims({ x: 'x'.repeat(75_000) })],
  ['100 MB of dots', 'malformed', '.'.repeat(100_000_000)],
  ['a JSON serialised JWS', 'malformed', JSON.stringify({ payload: goodPayload, signature: goodSignature })],
  ['an impossible segment length', 'malformed', `${goodHeader}.A.${goodSignature}`],
  // Header.
  ['a header that is not JSON', 'malformed', header('alg')],
  ['a header that is an array', 'malformed', header('["HS256"]')],
  ['a header that is null', 'malformed', header('null')],
  ['a header that is a string', 'malformed', header('"HS256"')],
  ['a header that is not UTF-8', 'malformed', signTexts(Buffer.from([0x7b, 0xff, 0x7d]), JSON.stringify(VALID))],
  ['a header with a byte order mark', 'malformed', header(`\ufeff${HEADER}`)],
  ['a header nested deeply', 'malformed', header(`{"alg":${deepArray}}`)],
  ['no alg', 'malformed', header('{}')],
  ['alg null', 'malformed', header('{"alg":null}')],
  ['alg as array', 'malformed', header('{"alg":["HS256"]}')],
  ['alg none', 'algorithm', header('{"alg":"none"}')],
  ['alg None', 'algorithm', header('{"alg":"None"}')],
  ['alg NONE', 'algorithm', header('{"alg":"NONE"}')],
  ['alg nOnE without signature', 'algorithm', `${base64url('{"alg":"nOnE"}')}.${goodPayload}.`],
  ['alg empty', 'algorithm', header('{"alg":""}')],
  ['alg empty without signature', 'algorithm', `${base64url('{"alg":""}')}.${goodPayload}.`],
  ['alg in lower case', 'algorithm', header('{"alg":"hs256"}')],
  ['alg with a blank', 'algorithm', header('{"alg":"HS256 "}')],
  ...OTHER_ALGORITHMS.map((alg): HostileToken => [`alg ${alg}`, 'algorithm', header(JSON.stringify({ alg }))]),
  ['alg given twice, none last', 'algorithm', header('{"alg":"HS256","alg":"none"}')],
  ['alg only in the prototype', 'malformed', header('{"__proto__":{"alg":"HS256"}}')],
  ['alg constructor', 'algorithm', header('{"alg":"constructor"}')],
  ['crit', 'malformed', header('{"alg":"HS256","crit":["exp"]}')],
  ['crit empty', 'malformed', header('{"alg":"HS256","crit":[]}')],
  ['crit null', 'malformed', header('{"alg":"HS256","crit":null}')],
  ['crit with an unencoded payload', 'malformed', header('{"alg":"HS256","b64":false,"crit":["b64"]}')],
  ['kid as number', 'malformed', header('{"alg":"HS256","kid":1}')],
  ['kid as object', 'malformed', header('{"alg":"HS256","kid":{}}')],
  ['kid as array', 'malformed', header('{"alg":"HS256","kid":["a"]}')],
  ['typ as number', 'malformed', header('{"alg":"HS256","typ":1}')],
  ['typ of an access token', 'malformed', header('{"alg":"HS256","typ":"at+jwt"}')],
  ['typ empty', 'malformed', header('{"alg":"HS256","typ":""}')],
  // Signature.
  ['no signature', 'signature', `${goodHeader}.${goodPayload}.`],
  ['a signature cut short', 'signature', good.slice(0, -1)],
  ['a signature with one more character', 'signature', `${good}A`],
  [
    'a signature of another token',
    'signature',
    `${goodHeader}.${base64url(JSON.stringify({ ...VALID, uid: 'admin' }))}.${goodSignature}`,
  ],
  [
    'another header than the signed one',
    'signature',
    `${base64url('{"alg":"HS256"}')}.${goodPayload}.${goodSignature}`,
  ],
  ['a second spelling of the signature', 'signature', secondSpelling(good)],
  ['an empty secret', 'signature', signTexts(HEADER, JSON.stringify(VALID), Buffer.alloc(0))],
  [
    'a key in the header',
    'signature',
    signTexts('{"alg":"HS256","jwk":{"kty":"oct","k":"YQ"}}', JSON.stringify(VALID), Buffer.from('a')),
  ],
  // Payload.
  ['a payload that is not JSON', 'malformed', payload('exp')],
  ['blank text as payload', 'malformed', payload(' ')],
  ['a payload that is an array', 'malformed', payload('[]')],
  ['a payload that is null', 'malformed', payload('null')],
  ['a payload that is a number', 'malformed', payload('1')],
  ['a payload that is not UTF-8', 'malformed', signTexts(HEADER, Buffer.from([0x7b, 0xc3, 0x28, 0x7d]))],
  ['a payload with a byte order mark', 'malformed', payload(`\ufeff${JSON.stringify(VALID)}`)],
  ['a payload with a trailing comma', 'malformed', payload('{"exp":1,}')],
  ['two JSON texts', 'malformed', payload(`${JSON.stringify(VALID)}{}`)],
  ['NaN', 'malformed', payload('{"exp":NaN,"scope":"connect"}')],
  ['Infinity', 'malformed', payload('{"exp":Infinity,"scope":"connect"}')],
  ['an empty object', 'claims', payload('{}')],
  ['claims in the prototype', 'claims', payload(`{"__proto__":${JSON.stringify(VALID)}}`)],
  ['claims in the constructor', 'claims', payload(`{"constructor":{"prototype":${JSON.stringify(VALID)}}}`)],
  // Times.
  ['exp 1e400', 'claims', payload('{"exp":1e400,"scope":"connect"}')],
  ['exp -1e400', 'claims', payload('{"exp":-1e400,"scope":"connect"}')],
  ['exp null', 'claims', claims({ exp: null })],
  ['exp 0', 'expired', claims({ exp: 0 })],
  ['exp negative', 'expired', claims({ exp: -NOW })],
  ['exp given twice, past last', 'expired', payload(`{"exp":${NOW + 60},"scope":"connect","exp":1}`)],
  ['exp in another case', 'claims', payload(`{"EXP":${NOW + 60},"scope":"connect"}`)],
  ['nbf 1e400', 'claims', payload(`{"exp":${NOW + 60},"scope":"connect","nbf":1e400}`)],
  ['nbf far in the future', 'not_yet_valid', claims({ nbf: 1e300 })],
  // Other registered claims.
  ['singleUse with jti as number', 'claims', claims({ jti: 1, singleUse: true })],
  ['singleUse with jti null', 'claims', claims({ jti: null, singleUse: true })],
  // Own top-level claims.
  ['scope null', 'claims', claims({ scope: null })],
  ['scope empty', 'scope', claims({ scope: '' })],
  ['scope with a line break', 'scope', claims({ scope: 'umd\nconnect' })],
  ['scope with a comma', 'scope', claims({ scope: 'umd,connect' })],
  ['scope given twice, other last', 'scope', payload(`{"exp":${NOW + 60},"scope":"connect","scope":"umd"}`)],
  ['uid of 60,000 characters', 'malformed', claims({ uid: 'u'.repeat(60_000) })],
  ['uid of 30,000 characters', 'claims', claims({ uid: 'u'.repeat(30_000) })],
  ['uid with a null character', 'claims', claims({ uid: 'u\u0000' })],
  ['uid with half a surrogate pair', 'claims', payload(`{"exp":${NOW + 60},"scope":"connect","uid":"\\ud800"}`)],
  ['umd of 40,000 bytes', 'claims', claims({ umd: 'x'.repeat(40_000) })],
  ['umd nested deeply in arrays', 'claims', payload(`{"exp":${NOW + 60},"scope":"connect","umd":${deepArray}}`)],
  ['umd nested deeply in objects', 'claims', payload(`{"exp":${NOW + 60},"scope":"connect","umd":${deepObject}}`)],
  ['heartbeatTimeout 1e400', 'claims', payload(`{"exp":${NOW + 60},"scope":"connect","heartbeatTimeout":1e400}`)],
  // Channels.
  ['channels nested deeply', 'claims', payload(`{"exp":${NOW + 60},"scope":"connect","channels":${deepArray}}`)],
  [
    'the entry __proto__ as array',
    'claims',
    payload(`{"exp":${NOW + 60},"scope":"connect","channels":{"__proto__":[]}}`),
  ],
  [
    'a directive in the entry __proto__ of a wrong type',
    'claims',
    payload(`{"exp":${NOW + 60},"scope":"connect","channels":{"__proto__":{"subscribe":1}}}`),
  ],
  [
    'an entry nested deeply',
    'claims',
    payload(`{"exp":${NOW + 60},"scope":"connect","channels":{"a":{"messages":${deepArray}}}}`),
  ],
  ['alias as pattern', 'claims', directive('alias', 'x*')],
  ['alias as regex', 'claims', directive('alias', '#regex:x')],
  ['alias too long', 'claims', directive('alias', 'x'.repeat(257))],
  ['alias with a line break', 'claims', directive('alias', 'x\n')],
  ['a limit of 1e400', 'claims', payload(`{"exp":${NOW + 60},"scope":"connect","limits":{"publish":1e400}}`)],
  [
    'historyStart 1e400',
    'claims',
    payload(`{"exp":${NOW + 60},"scope":"connect","channels":{"a":{"historyStart":1e400}}}`),
  ],
  ...WRONG_VALUES,
  // Patterns.
  ['a pattern of 1,025 characters', 'claims', channels({ ['*'.repeat(1_025)]: {} })],
  ['a regex of 1,025 characters', 'claims', channels({ [`#regex:${'a'.repeat(1_018)}b`]: {} })],
  ['a regex that counts to 140,000', 'claims', channels({ [`#regex:${'x{1000}'.repeat(140)}`]: {} })],
  ['a regex that counts classes to 110,000', 'claims', channels({ [`#regex:${'\\pL{1000}'.repeat(110)}`]: {} })],
  ['a regex of nested counts', 'claims', channels({ '#regex:((a{10}){10}){10}': {} })],
  ['257 regexes', 'claims', channels(Object.fromEntries(Array.from({ length: 257 }, (_, i) => [`#regex:${i}`, {}])))],
  [
    'regexes of 5,000 instructions together',
    'claims',
    channels(Object.fromEntries(Array.from({ length: 5 }, (_, i) => [`#regex:${i}a{900}`, {}]))),
  ],
  [
    'regexes of Unicode classes that take seconds together',
    'claims',
    channels(Object.fromEntries(Array.from({ length: 80 }, (_, i) => [`#regex:(?i)${i}${'\\p{Lu}'.repeat(50)}`, {}]))),
  ],
  ['a regex nested 490 deep and open', 'claims', channels({ [`#regex:${'('.repeat(490)}`]: {} })],
  ['a pattern with half a surrogate pair', 'claims', channels({ '\ud83d*': {} })],
  ['a regex with half a surrogate pair', 'claims', channels({ '#regex:\ud83d': {} })],
  ['an invalid regex for storage keys', 'claims', channels({ a: { storage: { '#regex:*': {} } } })],
  ['an invalid regex under a pattern', 'claims', channels({ '*': { messages: { '#regex:(?!x)': {} } } })],
];

/** The same signature bytes with other unused bits in the last character. */
function secondSpelling(token: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  return token.slice(0, -1) + alphabet.charAt(alphabet.indexOf(token.slice(-1)) ^ 1);
}

describe('a hostile token', () => {
  it('is compared with a good one that is accepted', async () => {
    expect(await reasonFor(good)).toBe('accepted');
  });

  it.each(HOSTILE)('is refused: %s', async (_, reason, token) => {
    expect(await reasonFor(token)).toBe(reason);
  });

  it('comes in at least 500 kinds', () => {
    expect(new Set(HOSTILE.map(([name]) => name)).size).toBe(HOSTILE.length);
    expect(HOSTILE.length).toBeGreaterThanOrEqual(500);
  });

  it('is refused by an ES256 slot too', async () => {
    const accepted: string[] = [];
    for (const [name, reason, token] of HOSTILE) {
      if (reason !== 'algorithm' && (await reasonFor(token, ecSettings)) === 'accepted') accepted.push(name);
    }
    expect(accepted).toEqual([]);
  });

  it.each([
    ['empty', ''],
    ['short', 'AAAA'],
    ['of zeros', base64url(Buffer.alloc(64))],
    ['of ones', base64url(Buffer.alloc(64, 0xff))],
    ['in DER', base64url(Buffer.from('3006020101020101', 'hex'))],
    ['too long', base64url(Buffer.alloc(1_000, 1))],
  ])('is refused by an ES256 slot: a signature that is %s', async (_, signature) => {
    const token = signWith('ES256', ecKeys.privateKey, VALID);
    expect(await reasonFor(token, ecSettings)).toBe('accepted');
    expect(await reasonFor(token.slice(0, token.lastIndexOf('.') + 1) + signature, ecSettings)).toBe('signature');
  });

  it('is refused whichever byte of a good one is changed', async () => {
    for (let i = 0; i < good.length; i++) {
      const changed = good.slice(0, i) + (good[i] === 'A' ? 'B' : 'A') + good.slice(i + 1);
      expect(await reasonFor(changed)).not.toBe('accepted');
    }
  });

  it('never crashes, whatever JSON its header and payload hold', async () => {
    await fc.assert(
      fc.asyncProperty(fc.json({ maxDepth: 5 }), fc.json({ maxDepth: 8 }), async (head, body) => {
        const reason = await reasonFor(signTexts(head, body));
        if (reason === 'accepted') expect(reason).not.toBe('accepted');
        await reasonFor(payload(body));
      }),
      { numRuns: 1_000 },
    );
  });

  it('never crashes, whatever values its claims have', async () => {
    const value = fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.boolean(), fc.constantFrom(null, 0, -1, '', 'a', '*'));
    const entry = fc.dictionary(
      fc.constantFrom('subscribe', 'alias', 'historyStart', 'getInfo', 'autoSubscribe'),
      value,
    );
    const key = fc.oneof(
      fc.string(),
      fc.constantFrom('__proto__', 'constructor', 'toString', '*', '#regex:a|b', '#regex:('),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(fc.constantFrom('exp', 'scope', 'uid', 'umd', 'aud', 'jti', 'singleUse', 'nbf'), value),
        fc.dictionary(key, fc.oneof(value, entry)),
        async (members, entries) => {
          await reasonFor(signHs256({ ...VALID, ...members, channels: entries }));
        },
      ),
      { numRuns: 2_000 },
    );
  });
});

describe('a token that takes long to check (limits §6)', () => {
  /** Within every limit on the size of its patterns, and some 35 KB. */
  const slow = channels({
    ...Object.fromEntries(Array.from({ length: 13 }, (_, n) => [`#regex:[ab]*a[ab]{300}$${n || ''}`, {}])),
    ...Object.fromEntries(Array.from({ length: 150 }, (_, n) => [`${n}.`.padEnd(200, 'a'), { autoSubscribe: true }])),
  });
  const usual = channels({
    '#regex:^org\\.[0-9]+$': { subscribe: true },
    '#regex:^user\\.(a|b)\\..*$': { subscribe: true },
    'room.*': { subscribe: true },
    ...Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`room.${n}`, { autoSubscribe: true }])),
  });

  it('is refused before it has taken much of it', async () => {
    const begin = performance.now();
    expect(await reasonFor(slow)).toBe('claims');
    // It would take many seconds.
    expect(performance.now() - begin).toBeLessThan(1_500);
  });

  it('may hold wildcards, too', async () => {
    const wildcards = Array.from({ length: 1_500 }, (_, i) => [`*${i}`, {}]);
    const names = Array.from({ length: 800 }, (_, i) => [`a${i}`, { autoSubscribe: true }]);
    let nowMs = 0;
    const token = channels(Object.fromEntries([...wildcards, ...names]));
    await expect(verifyToken(token, 'connect', SETTINGS, NOW_MS, () => (nowMs += 1))).rejects.toMatchObject({
      reason: 'claims',
    });
  });

  it('may hold nothing but very many channels', async () => {
    let nowMs = 0;
    const token = (count: number) =>
      channels(Object.fromEntries(Array.from({ length: count }, (_, i) => [`${i}`, {}])));
    const verify = (count: number) => verifyToken(token(count), 'connect', SETTINGS, NOW_MS, () => (nowMs += 50));
    await expect(verify(4_500)).rejects.toMatchObject({ reason: 'claims' });
    expect((await verify(2_500)).channels.exact.size).toBe(2_500);
  });

  it('is told from others by what it takes, and by what it could take', async () => {
    let nowMs = 0;
    const everyLook = (ms: number) => () => (nowMs += ms);
    const verify = (token: string, cpuMs: () => number) => verifyToken(token, 'connect', SETTINGS, NOW_MS, cpuMs);
    await expect(verify(slow, everyLook(1))).rejects.toMatchObject({ reason: 'claims' });
    // However slow the process is.
    const claims = await verify(usual, everyLook(1_000));
    expect(claims.autoSubscribe).toHaveLength(300);
    expect(new Grants(claims).canSubscribe('room.7')).toBe(true);
  });
});

describe('odd claims that are nobody’s harm', () => {
  it.each([
    ['an unknown claim nested deeply', payload(`{"exp":${NOW + 60},"scope":"connect","x":${deepArray}}`)],
    [
      'an unknown directive nested deeply',
      payload(`{"exp":${NOW + 60},"scope":"connect","channels":{"a":{"x":${deepObject}}}}`),
    ],
    ['iat of any type', claims({ iat: 'yesterday' })],
    [
      'names of object members as keys',
      channels({ constructor: {}, toString: {}, hasOwnProperty: { messages: { valueOf: {} } } }),
    ],
    ['3,500 channels', channels(Object.fromEntries(Array.from({ length: 3_500 }, (_, i) => [`c${i}`, {}])))],
    ['exp 1e308', claims({ exp: 1e308 })],
    ['limits of 1e308', claims({ limits: { publish: 1e308, history: [1e308, 1e308], subscriptions: 1e308 } })],
    ['an unused header member', header('{"alg":"HS256","b64":false,"x5u":"https://example.com"}')],
  ])('are accepted: %s', async (_, token) => {
    expect(await reasonFor(token)).toBe('accepted');
  });
});
