import { generateKeyPairSync } from 'node:crypto';
import { checkConnectBinding, checkConnectionBinding, type PresentingConnection } from './bindings';
import type { TokenUse } from './claims';
import { parseSigningKey } from './signing-keys';
import { channels, CONNECT_VECTORS, ONE, type PresentedToken, slot, TWO, VALID } from './testing/connect-vectors';
import { BINDING_VECTORS } from './testing/subscribe-vectors';
import { compiled, NOW, NOW_MS, SECRET, SETTINGS, signHs256, signTexts } from './testing/signed-tokens';
import { TokenError, type TokenErrorReason } from './token-error';
import { verifyToken } from './verify-token';

/** Vectors of tokens-and-claims §7 that a token and the clock alone decide; `V10` and so on are their numbers there. */

interface Presented extends PresentedToken {
  readonly use?: TokenUse;
  readonly nowMs?: number;
}

/** `ok`, or why the token is refused; the binding of a connect token is part of it. */
async function present({
  claims,
  header,
  secret,
  settings,
  use = 'connect',
  nowMs = NOW_MS,
}: Presented): Promise<string> {
  try {
    const token = signHs256(claims, header, secret);
    const verified = await verifyToken(token, use, { ...SETTINGS, ...settings }, nowMs);
    if (use === 'connect') checkConnectBinding(verified);
    return 'ok';
  } catch (error) {
    if (!(error instanceof TokenError)) throw error;
    return `${error.status} ${error.reason}`;
  }
}

describe('a token', () => {
  it.each<[string, string, Presented]>([
    ...CONNECT_VECTORS,
    ['V2 is valid a millisecond before exp', 'ok', { claims: { ...VALID, exp: NOW + 0.001 } }],
    [
      'V2 with exp = now is accepted within the leeway',
      'ok',
      { claims: { ...VALID, exp: NOW }, settings: { leewaySeconds: 1 } },
    ],
    [
      'V2 is refused at the end of the leeway',
      '401 expired',
      { claims: { ...VALID, exp: NOW - 1 }, settings: { leewaySeconds: 1 } },
    ],
    [
      'V5 with several scopes works for the other one too',
      'ok',
      { claims: { ...VALID, scope: 'umd connect' }, use: 'umd' },
    ],
    [
      'V10 is refused before nbf',
      '401 not_yet_valid',
      { claims: { ...VALID, exp: NOW + 90, nbf: NOW + 60, singleUse: true, jti: 'j' } },
    ],
    [
      'V10 is accepted from nbf on',
      'ok',
      { claims: { ...VALID, exp: NOW + 90, nbf: NOW + 60, singleUse: true, jti: 'j' }, nowMs: NOW_MS + 60_000 },
    ],
    [
      'V10 is accepted before nbf within the leeway',
      'ok',
      { claims: { ...VALID, nbf: NOW + 1 }, settings: { leewaySeconds: 1 } },
    ],
    [
      'V17 without kid is refused where kid is required',
      '401 key_id',
      { claims: VALID, secret: ONE, settings: { keys: [slot(1, 'a', 'one')], requireKid: true } },
    ],
    [
      'V17 without kid is accepted by a slot without ID even where kid is required',
      'ok',
      { claims: VALID, settings: { requireKid: true } },
    ],
    [
      'V17 with the right kid is accepted where kid is required',
      'ok',
      { claims: VALID, header: { kid: 'a' }, secret: ONE, settings: { keys: [slot(1, 'a', 'one')], requireKid: true } },
    ],
    [
      'G3 with store 0 for a storage key is refused',
      '401 claims',
      channels({ a: { storage: { 's.*': { set: true, store: 0 } } } }),
    ],
    ['with typ in lower case is accepted', 'ok', { claims: VALID, header: { typ: 'jwt' } }],
    ['without typ is accepted', 'ok', { claims: VALID, header: { typ: undefined } }],
    ['of another type is refused', '401 malformed', { claims: VALID, header: { typ: 'at+jwt' } }],
    ['is refused when no key is configured', '401 no_keys', { claims: VALID, settings: { keys: [] } }],
    ['of another secret is refused', '401 signature', { claims: VALID, secret: Buffer.from('other') }],
    [
      'with null for every optional claim is accepted',
      'ok',
      {
        claims: {
          ...VALID,
          aud: null,
          iss: null,
          iat: null,
          nbf: null,
          jti: null,
          singleUse: null,
          connectionId: null,
          uid: null,
          umd: null,
          keepAlive: null,
          heartbeatTimeout: null,
          umdUpdate: null,
          umdPropagate: null,
          channels: null,
        },
      },
    ],
    [
      'with null for every directive is accepted',
      'ok',
      channels({
        a: {
          subscribe: null,
          autoSubscribe: null,
          alias: null,
          historyStart: null,
          omitFromSubCount: null,
          getInfo: null,
          umdUpdate: null,
          messages: null,
          storage: null,
        },
        b: {
          messages: {
            e: {
              publish: null,
              broadcast: null,
              echo: null,
              emitPubSubEvent: null,
              store: null,
              scheduleBefore: null,
              react: null,
            },
          },
          storage: {
            k: { observe: null, get: null, set: null, store: null, scheduleBefore: null, emitPubSubEvent: null },
          },
        },
        c: null,
      }),
    ],
    [
      'with keys that can never be names is accepted, whatever they hold',
      'ok',
      channels({ 'a b': 1, '': 2, '#x': 3, '\ud800': 4, a: { messages: { '#x': 5 }, storage: { 'a b': 6 } } }),
    ],
  ])('%s', async (_, expected, presented) => {
    expect(await present(presented)).toBe(expected);
  });

  it('V13 with alg none is refused', async () => {
    const payload = JSON.stringify(VALID);
    const unsigned = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from(payload).toString('base64url')}.`;
    await expect(verifyToken(unsigned, 'connect', SETTINGS, NOW_MS)).rejects.toMatchObject({ reason: 'algorithm' });
    await expect(verifyToken(signTexts('{"alg":"none"}', payload), 'connect', SETTINGS, NOW_MS)).rejects.toMatchObject({
      reason: 'algorithm',
    });
  });

  it.each(['spki', 'pkcs1'] as const)(
    'V14 of HS256, signed with the %s PEM of the RS256 slot, is refused',
    async (type) => {
      const pem = generateKeyPairSync('rsa', { modulusLength: 2_048 })
        .publicKey.export({ type, format: 'pem' })
        .toString();
      const key = parseSigningKey({ slot: 1, method: 'RS256', encoded: Buffer.from(pem).toString('base64') });
      for (const text of [pem, pem.trim(), pem.replace(/-----[^-]+-----|\s/g, '')]) {
        const presented = { claims: VALID, secret: Buffer.from(text), settings: { keys: [key] } };
        expect(await present(presented)).toBe('401 algorithm');
        expect(await present({ ...presented, header: { alg: 'RS256' } })).toBe('401 signature');
      }
    },
  );

  it('is refused by a slot of another method of the same family', async () => {
    const key = parseSigningKey({ slot: 1, method: 'HS512', encoded: SECRET.toString('base64') });
    expect(await present({ claims: VALID, settings: { keys: [key] } })).toBe('401 algorithm');
    expect(await present({ claims: VALID, header: { alg: 'HS512' }, settings: { keys: [key] } })).toBe('401 signature');
  });

  it('is tried only with the slot of its algorithm when slots differ', async () => {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
    const ec = parseSigningKey({ slot: 1, method: 'ES256', encoded: Buffer.from(pem).toString('base64') });
    expect(await present({ claims: VALID, settings: { keys: [ec, slot(2, undefined, 'two')] }, secret: TWO })).toBe(
      'ok',
    );
  });
});

describe('the claims of a token', () => {
  it('V23 have uid null for an empty uid', async () => {
    expect((await compiled({ uid: '' })).uid).toBeNull();
    expect((await compiled({})).uid).toBeNull();
  });

  it('have documented defaults', async () => {
    const claims = await compiled({});
    expect(claims).toMatchObject({
      exp: NOW + 60,
      uid: null,
      umdJson: 'null',
      hasUmd: false,
      singleUse: false,
      keepAlive: false,
      umdUpdate: false,
      umdPropagate: false,
      autoSubscribe: [],
    });
    expect([claims.jti, claims.connectionId, claims.heartbeatTimeout]).toEqual([undefined, undefined, undefined]);
    expect([...claims.scopes]).toEqual(['connect']);
  });

  it('carry every top-level claim', async () => {
    const claims = await compiled({
      uid: 'u1',
      umd: { a: 1 },
      jti: 'j',
      singleUse: true,
      connectionId: 'C1',
      keepAlive: true,
      closeAtExp: true,
      heartbeatTimeout: 30,
      umdUpdate: true,
      umdPropagate: true,
      scope: ' umd  connect ',
    });
    expect(claims).toMatchObject({
      uid: 'u1',
      umdJson: '{"a":1}',
      hasUmd: true,
      jti: 'j',
      singleUse: true,
      connectionId: 'C1',
      keepAlive: true,
      closeAtExp: true,
      heartbeatTimeout: 30,
      umdUpdate: true,
      umdPropagate: true,
    });
    expect([...claims.scopes]).toEqual(['umd', 'connect']);
  });

  it.each([
    ['false', 'false'],
    ['0', '0'],
    ['""', '""'],
    ['12345678901234567890', '12345678901234567890'],
    ['{"2":"b","1":"a"}', '{"2":"b","1":"a"}'],
    ['{ "a b" : [ 1,\n 2 ] , "c\\"  d": "  " }', '{"a b":[1,2],"c\\"  d":"  "}'],
  ])('keep umd %s as the issuer wrote it, without white space', async (umd, expected) => {
    const token = signTexts('{"alg":"HS256"}', `{"exp":${NOW + 60},"scope":"connect","umd":${umd}}`);
    const claims = await verifyToken(token, 'connect', SETTINGS, NOW_MS);
    expect([claims.hasUmd, claims.umdJson]).toEqual([true, expected]);
  });

  it('do not count white space in the size of umd', async () => {
    const token = signTexts('{"alg":"HS256"}', `{"exp":${NOW + 60},"scope":"connect","umd":[${' '.repeat(30_000)}1]}`);
    expect((await verifyToken(token, 'connect', SETTINGS, NOW_MS)).umdJson).toBe('[1]');
  });
});

describe('the message of a refused token', () => {
  const key = 'k'.repeat(500);

  it.each<[string, object, string]>([
    ['a top-level claim', { uid: 1 }, 'uid must be a string'],
    ['a directive', { channels: { 'a.*': { alias: 'x' } } }, 'channels["a.*"].alias is not allowed on a pattern'],
    [
      'a nested directive',
      { channels: { a: { messages: { '*': { publish: 'yes' } } } } },
      'channels["a"].messages["*"].publish must be a boolean',
    ],
    [
      'a storage directive',
      { channels: { a: { storage: { '[]': { store: 1.5 } } } } },
      'channels["a"].storage["[]"].store must be -1 or an integer from 1 to 3155695200',
    ],
    ['an entry', { channels: { a: { messages: { 'e"': [] } } } }, 'channels["a"].messages["e\\""] must be an object'],
    ['a long key, cut', { channels: { [key]: { alias: 'x' }, '*': 1 } }, 'channels["*"] must be an object'],
    ['a pattern', { channels: { '#regex:(': {} } }, 'channels["#regex:("] is not a valid RE2 regular expression'],
  ])('names %s', async (_, claims, message) => {
    await expect(compiled(claims)).rejects.toMatchObject({ reason: 'claims', message });
  });

  it('cuts a key that is long', async () => {
    await expect(compiled({ channels: { [`*${key}`]: 1 } })).rejects.toMatchObject({
      message: `channels["*${'k'.repeat(79)}…"] must be an object`,
    });
  });
});

describe('the binding of a token', () => {
  const connection = { connectionId: 'C1', uid: 'u1' };

  type Row = [sentence: string, claims: object, presenting: PresentingConnection, passes: boolean];

  it.each<Row>([
    ...BINDING_VECTORS.map(([sentence, claims, passes]): Row => [sentence, claims, connection, passes]),
    ['fails with an empty uid on a connection without one', { uid: '' }, { connectionId: 'C1', uid: null }, false],
    ['fails with a uid on a connection without one', { uid: 'u1' }, { connectionId: 'C1', uid: null }, false],
  ])('%s', async (_, claims, presenting, passes) => {
    for (const use of ['subscribe', 'umd'] as const) {
      const verified = await compiled(claims, use);
      let reason: TokenErrorReason | undefined;
      try {
        checkConnectionBinding(verified, presenting);
      } catch (error) {
        reason = (error as TokenError).reason;
      }
      expect(reason).toBe(passes ? undefined : 'binding');
    }
  });

  it('S21 is not reached by a subscribe token without the scope', async () => {
    expect(await present({ claims: { ...VALID, uid: 'u1' }, use: 'subscribe' })).toBe('403 scope');
  });

  it('U7 is not reached by a umd token without the scope', async () => {
    expect(await present({ claims: { ...VALID, uid: 'u1' }, use: 'umd' })).toBe('403 scope');
  });
});

describe('what revocations go by', () => {
  it.each([
    ['the ID of the key that verified it', undefined, [slot(1, 'a', 'one'), slot(2, 'b', 'two')], 'b'],
    ['that ID, beside its own kid', 'b', [slot(1, 'a', 'one'), slot(2, 'b', 'two')], 'b'],
    ['its own kid where the key has no ID', 'mine', [slot(1, undefined, 'two')], 'mine'],
    ['nothing where there is neither', undefined, [slot(1, undefined, 'two')], undefined],
  ])('is %s', async (_what, kid, keys, keyId) => {
    const token = signHs256(VALID, kid === undefined ? {} : { kid }, TWO);
    expect((await verifyToken(token, 'connect', { ...SETTINGS, keys }, NOW_MS)).keyId).toBe(keyId);
  });

  it('is iat, unless that is no date, which refuses no token', async () => {
    expect((await compiled({ iat: NOW - 0.5 })).iat).toBe(NOW - 0.5);
    for (const iat of [undefined, null, 'now', {}, true]) expect((await compiled({ iat })).iat).toBeUndefined();
  });
});
