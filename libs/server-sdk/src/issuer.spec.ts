import { SIGNING_METHODS, type SigningMethod } from '@hearth/claims';
import * as crypto from 'node:crypto';
import { decodeProtectedHeader, jwtVerify } from 'jose';
import type { Claims } from './token-claims';
import { Config, type ConfigOptions } from './sdk-config';
import { ConfigurationError } from './sdk-errors';
import { Issuer } from './issuer';

const { privateKey, publicKey } = crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' });
const issuerPrivateKey = privateKey.export({ type: 'sec1', format: 'pem' }).toString();

/** Header and payload of a token of the default algorithm that verifies. */
async function issued(options: ConfigOptions, claims?: Claims) {
  const token = new Issuer(new Config({ issuerPrivateKey, ...options })).issueToken(claims);
  const { payload, protectedHeader } = await jwtVerify(token, publicKey, { algorithms: ['ES256'] });
  return { payload, header: protectedHeader, token };
}

const seconds = () => Math.floor(Date.now() / 1000);

describe('tokens (server-sdk §4)', () => {
  it('carry the configured key ID, audience and issuer', async () => {
    const exp = seconds() + 5;
    const options = { issuerKeyId: '95616b70', issuerAudClaim: 'hotsock', issuerIssClaim: 'me' };
    const { payload, header } = await issued(options, { exp });
    expect(payload).toEqual({ aud: 'hotsock', iss: 'me', exp });
    expect(header).toEqual({ typ: 'JWT', kid: '95616b70', alg: 'ES256' });
  });

  it('have a header of exactly these bytes', async () => {
    const headerOf = async (options: ConfigOptions) =>
      Buffer.from((await issued(options)).token.split('.')[0]!, 'base64url').toString();
    expect(await headerOf({})).toBe('{"typ":"JWT","alg":"ES256"}');
    expect(await headerOf({ issuerKeyId: 'k' })).toBe('{"typ":"JWT","kid":"k","alg":"ES256"}');
  });

  it('carry the given claims in place of every default', async () => {
    const options: ConfigOptions = {
      issuerAudClaim: 'hotsock',
      issuerIssClaim: 'me',
      issuerJtiClaim: true,
      issuerIatClaim: true,
      issuerTokenTtl: 10,
    };
    const claims = {
      exp: seconds() + 5,
      aud: 'hotsock-override',
      iss: 'you',
      iat: seconds() - 5,
      jti: 'less-unique',
      nbf: 0,
    };
    expect((await issued(options, claims)).payload).toEqual(claims);
    expect((await issued(options, { iss: null, jti: '' } as never)).payload).toMatchObject({ iss: null, jti: '' });
  });

  it('keep the defaults where the given claims are undefined, and leave undefined claims out', async () => {
    const { payload } = await issued({ issuerIssClaim: 'me' }, { iss: undefined, uid: undefined, scope: 'connect' });
    expect(payload).toEqual({ iss: 'me', scope: 'connect' });
  });

  it('have several audiences when they are configured', async () => {
    expect((await issued({ issuerAudClaim: ['a', 'b'] })).payload).toEqual({ aud: ['a', 'b'] });
  });

  it('have a random UUID as jti, another one each time', async () => {
    const issuer = new Issuer({ issuerPrivateKey, issuerJtiClaim: true });
    const jtis = await Promise.all(
      [1, 2].map(async () => (await jwtVerify(issuer.issueToken(), publicKey)).payload.jti!),
    );
    for (const jti of jtis) expect(jti).toMatch(/^[0-9a-f-]{36}$/);
    expect(jtis[0]).not.toBe(jtis[1]);
  });

  it('tell when they were issued, in whole seconds', async () => {
    const before = seconds();
    const { iat } = (await issued({ issuerIatClaim: true })).payload;
    expect(Number.isInteger(iat)).toBe(true);
    expect(iat).toBeGreaterThanOrEqual(before);
    expect(iat).toBeLessThanOrEqual(seconds());
  });

  it('end after the configured time, in whole seconds', async () => {
    const before = seconds();
    for (const [issuerTokenTtl, ttl] of [
      [10, 10],
      [1.9, 1],
    ] as const) {
      const { payload } = await issued({ issuerTokenTtl });
      expect(Object.keys(payload)).toEqual(['exp']);
      expect(Number.isInteger(payload.exp)).toBe(true);
      expect(payload.exp).toBeGreaterThanOrEqual(before + ttl);
      expect(payload.exp).toBeLessThanOrEqual(seconds() + ttl);
    }
  });

  it.each([0, -5, undefined])('have no end with a configured time of %p', async (issuerTokenTtl) => {
    expect((await issued({ issuerTokenTtl })).payload).toEqual({});
  });

  it('may say nothing at all, and anything', async () => {
    expect((await issued({})).payload).toEqual({});
    const claims = { foo: 'bar', umd: { n: [1, null, false, ''] }, scope: 7, 'ü 👋': '\u2028' };
    expect((await issued({}, claims as never)).payload).toEqual(claims);
  });

  it.each<[string, Claims]>([
    ['claim exp is NaN', { exp: NaN }],
    ['claim historyStart is Infinity', { channels: { a: { historyStart: Infinity } } }],
    ['claim id is a bigint', { umd: { id: 1n } }],
    ['claim uid is a function', { uid: (() => 'u') as never }],
    ['claims cannot be written as JSON', cyclic()],
    ['claims must be an object', [] as never],
    ['claims must be an object', null as never],
    ['claims must be an object', 'connect' as never],
  ])('are not issued when %s', (problem, claims) => {
    expect(() => new Issuer({ issuerPrivateKey }).issueToken(claims)).toThrow(
      expect.objectContaining({ name: 'ArgumentError', message: problem }),
    );
  });
});

function cyclic(): Claims {
  const claims: Claims = {};
  claims.umd = claims;
  return claims;
}

const pem = (key: crypto.KeyObject) => key.export({ type: 'pkcs8', format: 'pem' }).toString();
const rsa = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 });
const curve = (namedCurve: string) => crypto.generateKeyPairSync('ec', { namedCurve });
const PAIRS: Partial<Record<SigningMethod, crypto.KeyPairKeyObjectResult>> = {
  ES256: { privateKey, publicKey },
  ES384: curve('P-384'),
  ES512: curve('P-521'),
  EdDSA: crypto.generateKeyPairSync('ed25519'),
};
// Long enough for jose, which wants a secret as long as the hash.
const secret = 'a secret of 64 characters, because that is the length of SHA-512';

describe('keys', () => {
  it.each(SIGNING_METHODS)('sign tokens that verify with %s', async (issuerKeyAlgorithm) => {
    const pair = PAIRS[issuerKeyAlgorithm] ?? rsa;
    const isHmac = issuerKeyAlgorithm.startsWith('HS');
    const issuer = new Issuer({ issuerPrivateKey: isHmac ? secret : pem(pair.privateKey), issuerKeyAlgorithm });
    const token = issuer.issueToken({ exp: seconds() + 5, uid: 'Zoë' });
    expect(decodeProtectedHeader(token)).toEqual({ typ: 'JWT', alg: issuerKeyAlgorithm });
    const key = isHmac ? crypto.createSecretKey(Buffer.from(secret)) : pair.publicKey;
    const { payload } = await jwtVerify(token, key, { algorithms: [issuerKeyAlgorithm] });
    expect(payload.uid).toBe('Zoë');
  });

  it('of every PEM form are taken, with line breaks of every kind', async () => {
    const pkcs8 = pem(privateKey);
    const forms = [
      pkcs8,
      issuerPrivateKey,
      pkcs8.replaceAll('\n', '\\n'),
      pkcs8.trim().replaceAll('\n', ' '),
      JSON.stringify(pkcs8),
      pkcs8.replaceAll('\n', '\\r\\n'),
      pkcs8.replaceAll('\n', '\r\n'),
      `\n  ${pkcs8.trim()}`,
    ];
    for (const form of forms) {
      await expect(issued({ issuerPrivateKey: form })).resolves.toBeDefined();
    }
    const pkcs1 = rsa.privateKey.export({ type: 'pkcs1', format: 'pem' }).toString();
    expect(new Issuer({ issuerPrivateKey: pkcs1, issuerKeyAlgorithm: 'RS256' }).issueToken()).toMatch(/^eyJ/);
  });

  it("may be the one of the Ruby library's documentation, whose label does not fit its content", () => {
    const fromTheDocumentation =
      '-----BEGIN EC PRIVATE KEY-----\\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg72ab3fXPvtD2iIQQ\\n/RWiZh8WA6T9u6JNhEuy1DPSFpuhRANCAASmEDhCts7/LkmooXH1tMhyh9Qn94e3\\ny3e/UtmnnAYMPwro8iySvqEUrYaDUqQ3iMjYpf+mvxOFmCy97MsBj/pu\\n-----END EC PRIVATE KEY-----';
    expect(new Issuer({ issuerPrivateKey: fromTheDocumentation }).issueToken()).toMatch(/^eyJ/);
  });

  it('that are a shared secret are taken as they are', () => {
    const issuer = new Issuer({ issuerPrivateKey: ' a\\nb ', issuerKeyAlgorithm: 'HS256' });
    const [header, payload, signature] = issuer.issueToken({ n: 1 }).split('.');
    const expected = crypto.createHmac('sha256', ' a\\nb ').update(`${header}.${payload}`).digest('base64url');
    expect(signature).toBe(expected);
  });

  const small = crypto.generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey;
  const pss = crypto.generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).privateKey;
  const encrypted = privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' });
  it.each<[string, SigningMethod, string, string]>([
    ['text', 'ES256', 'INVALID KEY', 'cannot be parsed'],
    ['a Base64 of PEM', 'ES256', Buffer.from(pem(privateKey)).toString('base64'), 'cannot be parsed'],
    ['half a PEM', 'ES256', pem(privateKey).slice(0, 90), 'cannot be parsed'],
    ['a key with a passphrase', 'ES256', encrypted.toString(), 'cannot be parsed'],
    ['a public key', 'ES256', publicKey.export({ type: 'spki', format: 'pem' }).toString(), 'is a public key'],
    ['an RSA key', 'ES256', pem(rsa.privateKey), 'must be an EC key on curve P-256 for issuerKeyAlgorithm ES256'],
    ['a P-256 key', 'ES384', pem(privateKey), 'must be an EC key on curve P-384'],
    ['a P-384 key', 'ES512', pem(PAIRS.ES384!.privateKey), 'must be an EC key on curve P-521'],
    ['a P-521 key', 'ES256', pem(PAIRS.ES512!.privateKey), 'must be an EC key on curve P-256'],
    ['a secp256k1 key', 'ES256', pem(curve('secp256k1').privateKey), 'must be an EC key on curve P-256'],
    ['an EC key', 'RS256', pem(privateKey), 'must be an RSA key for'],
    ['an EC key', 'EdDSA', pem(privateKey), 'must be an Ed25519 key'],
    ['an Ed448 key', 'EdDSA', pem(crypto.generateKeyPairSync('ed448').privateKey), 'must be an Ed25519 key'],
    ['an Ed25519 key', 'PS256', pem(PAIRS.EdDSA!.privateKey), 'must be an RSA key for'],
    ['an RSA-PSS key', 'PS256', pem(pss), 'must be an RSA key for'],
    ['an RSA key of 1,024 bits', 'PS512', pem(small), 'must be an RSA key of at least 2048 bits'],
    ['a PEM key', 'HS256', pem(privateKey), 'is a PEM key, but issuerKeyAlgorithm HS256 needs a shared secret'],
  ])('that are %s are refused for %s', (_, issuerKeyAlgorithm, key, problem) => {
    const issuer = new Issuer({ issuerPrivateKey: key, issuerKeyAlgorithm });
    const error = thrown(() => issuer.issueToken());
    expect(error).toBeInstanceOf(ConfigurationError);
    expect(error).toMatchObject({ option: 'issuerPrivateKey', name: 'ConfigurationError' });
    expect(error.message).toContain(`issuerPrivateKey ${problem}`);
    expect(error.message).not.toContain(key);
  });

  it('that cannot be parsed are refused with the error of the crypto layer as the cause', () => {
    const error = thrown(() => new Issuer({ issuerPrivateKey: 'INVALID KEY' }).issueToken());
    expect(error.cause).toMatchObject({ code: expect.stringMatching(/^ERR_OSSL/) });
  });

  it('must be configured before a token is issued, not before an issuer is made', () => {
    const issuer = new Issuer(new Config());
    expect(() => issuer.issueToken()).toThrow(new ConfigurationError('issuerPrivateKey', 'is needed to issue tokens'));
  });

  it('are not looked for under a misspelt name', () => {
    const config = Object.assign(new Config({ issuerPrivateKey }), { issuerTokenTTL: 10 });
    expect(() => new Issuer(config).issueToken()).toThrow('issuerTokenTTL is not an option');
  });

  it('must be for an algorithm that there is', () => {
    const issuer = new Issuer({ issuerPrivateKey: secret, issuerKeyAlgorithm: 'ED25519' as SigningMethod });
    expect(() => issuer.issueToken()).toThrow(/^issuerKeyAlgorithm must be one of HS256, .*, EdDSA$/);
  });
});

describe('one issuer', () => {
  it('parses its key once', () => {
    const parse = jest.spyOn(jest.requireActual<typeof crypto>('node:crypto'), 'createPrivateKey');
    const issuer = new Issuer({ issuerPrivateKey, issuerJtiClaim: true });
    const tokens = new Set(Array.from({ length: 1_000 }, () => issuer.issueToken()));
    expect(tokens.size).toBe(1_000);
    expect(parse).toHaveBeenCalledTimes(1);
    parse.mockRestore();
  });

  it('does not influence another', async () => {
    const other = new Issuer({ issuerPrivateKey: secret, issuerKeyAlgorithm: 'HS256', issuerIssClaim: 'west' });
    const { payload, header } = await issued({ issuerIssClaim: 'east' });
    expect([payload.iss, header.alg]).toEqual(['east', 'ES256']);
    const verified = await jwtVerify(other.issueToken(), Buffer.from(secret));
    expect([verified.payload.iss, verified.protectedHeader.alg]).toEqual(['west', 'HS256']);
  });

  it('takes a secret that is no text as bytes, and PEM as bytes of a file', async () => {
    const bytes = Buffer.from([0, 255, 128, 10, ...crypto.randomBytes(28)]);
    const issuer = new Issuer({ issuerPrivateKey: new Uint8Array(bytes), issuerKeyAlgorithm: 'HS256' });
    await expect(jwtVerify(issuer.issueToken({ sub: 'a' }), bytes)).resolves.toMatchObject({ payload: { sub: 'a' } });
    expect(new Issuer({ issuerPrivateKey: Buffer.from(issuerPrivateKey) }).issueToken()).toMatch(/^eyJ/);
  });

  it('works once its configuration has been put right', () => {
    const config = new Config();
    const issuer = new Issuer(config);
    expect(() => issuer.issueToken()).toThrow(ConfigurationError);
    config.issuerPrivateKey = issuerPrivateKey;
    expect(issuer.issueToken()).toMatch(/^eyJ/);
  });
});

function thrown(call: () => unknown): Error {
  try {
    call();
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error('nothing was thrown');
}
