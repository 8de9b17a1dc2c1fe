import { createSecretKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { parseSigningKey } from './signing-keys';
import type { SigningMethod } from './signing-methods';
import { NOW, NOW_MS, signWith } from './testing/signed-tokens';
import { verifyToken } from './verify-token';

const CLAIMS = { exp: NOW + 60, scope: 'connect', uid: 'u1' };

const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 });
const otherRsa = generateKeyPairSync('rsa', { modulusLength: 2_048 });
const smallRsa = generateKeyPairSync('rsa', { modulusLength: 1_024 });
const rsaPss = generateKeyPairSync('rsa-pss', { modulusLength: 2_048 });
const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' });
const p521 = generateKeyPairSync('ec', { namedCurve: 'P-521' });
const ed25519 = generateKeyPairSync('ed25519');
const ed448 = generateKeyPairSync('ed448');

function spki(key: KeyObject): string {
  return key.export({ type: 'spki', format: 'pem' }).toString();
}

function encode(content: string | Buffer): string {
  return Buffer.from(content).toString('base64');
}

async function accepts(method: SigningMethod, encoded: string, privateKey: KeyObject): Promise<string | null> {
  const key = parseSigningKey({ slot: 1, method, encoded });
  const settings = { keys: [key], leewaySeconds: 0, requireKid: false };
  return (await verifyToken(signWith(method, privateKey, CLAIMS), 'connect', settings, NOW_MS)).uid;
}

describe('a configured signing key', () => {
  it.each<[SigningMethod, KeyObject, KeyObject]>([
    ['RS256', rsa.publicKey, rsa.privateKey],
    ['RS384', rsa.publicKey, rsa.privateKey],
    ['RS512', rsa.publicKey, rsa.privateKey],
    ['PS256', rsa.publicKey, rsa.privateKey],
    ['PS384', rsa.publicKey, rsa.privateKey],
    ['PS512', rsa.publicKey, rsa.privateKey],
    ['ES256', p256.publicKey, p256.privateKey],
    ['ES384', p384.publicKey, p384.privateKey],
    ['ES512', p521.publicKey, p521.privateKey],
    ['EdDSA', ed25519.publicKey, ed25519.privateKey],
  ])(
    'verifies %s tokens with an SPKI PEM, and refuses tokens of another key',
    async (method, publicKey, privateKey) => {
      await expect(accepts(method, encode(spki(publicKey)), privateKey)).resolves.toBe('u1');
      const other =
        method === 'EdDSA'
          ? generateKeyPairSync('ed25519')
          : method.startsWith('ES')
            ? generateKeyPairSync('ec', { namedCurve: publicKey.asymmetricKeyDetails?.namedCurve ?? '' })
            : otherRsa;
      await expect(accepts(method, encode(spki(publicKey)), other.privateKey)).rejects.toMatchObject({
        reason: 'signature',
      });
    },
  );

  it.each<[string, (pem: string) => string]>([
    ['as it is', (pem) => pem],
    ['with \\n for its line breaks', (pem) => pem.trim().replaceAll('\n', '\\n')],
    ['with \\r\\n for them', (pem) => pem.replaceAll('\n', '\\r\\n')],
    ['with blanks for them', (pem) => pem.trim().replaceAll('\n', ' ')],
    ['with nothing for them', (pem) => pem.replaceAll('\n', '')],
    ['with \\n, as it is when escaped twice', (pem) => pem.trim().replaceAll('\n', '\\\\n')],
    ['in quotation marks', (pem) => JSON.stringify(pem)],
    ['in others', (pem) => `'${pem.trim()}'`],
    ['behind what openssl writes', (pem) => `subject=CN = localhost\n${pem}`],
    ['with CRLF', (pem) => pem.replaceAll('\n', '\r\n')],
  ])('may be a PEM %s, also in Base64', async (_how, written) => {
    const text = written(spki(p256.publicKey));
    for (const encoded of [text, encode(text)]) {
      await expect(accepts('ES256', encoded, p256.privateKey)).resolves.toBe('u1');
    }
  });

  it('takes the name that RFC 9864 has for its algorithm, and null for what is not there', async () => {
    const key = parseSigningKey({ slot: 1, method: 'EdDSA', id: 'a', encoded: spki(ed25519.publicKey) });
    const settings = { keys: [key], leewaySeconds: 0, requireKid: false };
    for (const header of [{ alg: 'Ed25519' }, { alg: 'EdDSA', kid: null }, { alg: 'Ed25519', typ: null, kid: 'a' }]) {
      const input = [header, CLAIMS].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
      const signature = sign(null, Buffer.from(input), ed25519.privateKey).toString('base64url');
      await expect(verifyToken(`${input}.${signature}`, 'connect', settings, NOW_MS)).resolves.toMatchObject({
        uid: 'u1',
      });
    }
  });

  it.each<[SigningMethod, number]>([
    ['HS256', 1],
    ['HS256', 7],
    ['HS256', 32],
    ['HS256', 500],
    ['HS384', 5],
    ['HS384', 48],
    ['HS512', 3],
    ['HS512', 64],
  ])('verifies %s tokens with a secret of %d bytes', async (method, length) => {
    const secret = Buffer.alloc(length, 0xa7);
    await expect(accepts(method, encode(secret), createSecretKey(secret))).resolves.toBe('u1');
    await expect(accepts(method, encode(Buffer.alloc(length, 0xa8)), createSecretKey(secret))).rejects.toMatchObject({
      reason: 'signature',
    });
  });

  it.each<SigningMethod>(['RS256', 'PS256'])('may be a PKCS#1 RSA PEM for %s', async (method) => {
    const pem = rsa.publicKey.export({ type: 'pkcs1', format: 'pem' }).toString();
    expect(pem).toContain('BEGIN RSA PUBLIC KEY');
    await expect(accepts(method, encode(pem), rsa.privateKey)).resolves.toBe('u1');
  });

  it.each([
    ['line breaks', '\n'],
    ['Windows line breaks', '\r\n'],
    ['blanks and tabs', ' \t'],
    ['literal \\n sequences', '\\n'],
    ['literal \\n sequences and blanks', ' \\n  '],
  ])('may contain %s', async (_, separator) => {
    const broken = encode(spki(p256.publicKey)).replace(/.{20}/g, `$&${separator}`) + separator;
    await expect(accepts('ES256', broken, p256.privateKey)).resolves.toBe('u1');
  });

  it('may lack its padding', async () => {
    const secret = Buffer.from('seven77');
    expect(encode(secret)).toMatch(/=$/);
    await expect(accepts('HS256', encode(secret).replaceAll('=', ''), createSecretKey(secret))).resolves.toBe('u1');
  });

  it('may hold its PEM with blank lines around it', async () => {
    await expect(accepts('ES256', encode(`\n\n${spki(p256.publicKey)}\n`), p256.privateKey)).resolves.toBe('u1');
  });

  it('has no ID when the configured one is blank', () => {
    expect(parseSigningKey({ slot: 1, method: 'HS256', id: '  ', encoded: 'AAAA' }).id).toBeUndefined();
    expect(parseSigningKey({ slot: 1, method: 'HS256', encoded: 'AAAA' }).id).toBeUndefined();
    expect(parseSigningKey({ slot: 2, method: 'HS256', id: 'a', encoded: 'AAAA' })).toMatchObject({ slot: 2, id: 'a' });
  });

  it('prints no key material', () => {
    const key = parseSigningKey({ slot: 1, method: 'HS256', encoded: encode('planted-secret') });
    expect(JSON.stringify(key)).not.toMatch(/planted|cGxhbnRlZ/);
  });
});

describe('a signing key that cannot be used', () => {
  const privatePem = p256.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const cases: readonly [string, string, string, RegExp][] = [
    ['an unknown method', 'HS257', 'AAAA', /^HEARTH_SIGNING_KEY_2_METHOD must be one of HS256, /],
    ['the method none', 'none', 'AAAA', /_METHOD must be one of/],
    ['a method in other case', 'hs256', 'AAAA', /_METHOD must be one of/],
    ['an empty method', '', 'AAAA', /_METHOD must be one of/],
    ['an empty value', 'HS256', '', /must not be empty/],
    ['only blanks and \\n', 'HS256', ' \\n \n', /must not be empty/],
    ['characters outside Base64', 'HS256', 'pl@nted!', /must be valid Base64/],
    ['Base64url', 'HS256', 'planted-secret__', /must be valid Base64/],
    ['an impossible Base64 length', 'HS256', 'planted01', /must be valid Base64/],
    ['wrong padding', 'HS256', 'plante=', /must be valid Base64/],
    ['padding in the middle', 'HS256', 'pla=nted', /must be valid Base64/],
    ['too much padding', 'HS256', 'plan====', /must be valid Base64/],
    ['a PEM as a shared secret, not encoded', 'HS256', spki(rsa.publicKey), /must be valid Base64/],
    ['a PEM as a shared secret', 'HS256', encode(spki(rsa.publicKey)), /needs a shared secret/],
    ['a private PEM as a shared secret', 'HS512', encode(privatePem), /needs a shared secret/],
    ['a private key', 'ES256', encode(privatePem), /holds a private key/],
    ['bytes that are no PEM', 'RS256', encode('planted'), /must be a PEM public key, or its Base64$/],
    [
      'DER instead of PEM',
      'RS256',
      encode(rsa.publicKey.export({ type: 'spki', format: 'der' })),
      /PEM public key, or/,
    ],
    ['a damaged PEM', 'ES256', encode(spki(p256.publicKey).replace('MF', 'XX')), /that can be parsed/],
    ['an empty PEM', 'ES256', encode('-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----'), /that can be parsed/],
    [
      'a certificate',
      'RS256',
      encode('-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----'),
      /PEM public key, or/,
    ],
    ['ES256 on P-384', 'ES256', encode(spki(p384.publicKey)), /on curve P-256 for ES256/],
    ['ES384 on P-256', 'ES384', encode(spki(p256.publicKey)), /on curve P-384 for ES384/],
    ['ES512 on P-256', 'ES512', encode(spki(p256.publicKey)), /on curve P-521 for ES512/],
    ['ES256 with an RSA key', 'ES256', encode(spki(rsa.publicKey)), /EC key on curve P-256/],
    ['RS256 with an EC key', 'RS256', encode(spki(p256.publicKey)), /must be an RSA key for RS256/],
    ['PS256 with a key restricted to PSS', 'PS256', encode(spki(rsaPss.publicKey)), /must be an RSA key/],
    ['RS256 with 1024 bits', 'RS256', encode(spki(smallRsa.publicKey)), /at least 2048 bits/],
    ['EdDSA with Ed448', 'EdDSA', encode(spki(ed448.publicKey)), /must be an Ed25519 key/],
    ['EdDSA with an EC key', 'EdDSA', encode(spki(p256.publicKey)), /must be an Ed25519 key/],
  ];

  it.each(cases)('is refused with its variable named, not its value: %s', (_, method, encoded, problem) => {
    let message = '';
    try {
      parseSigningKey({ slot: 2, method, encoded });
    } catch (error) {
      message = (error as Error).message;
    }
    expect(message).toMatch(problem);
    expect(message).toMatch(/^HEARTH_SIGNING_KEY_2_(METHOD|ENCODED) /);
    expect(message).not.toMatch(/pl[a@]nte|MFk|MII|BEGIN/);
  });

  it('names slot 1 for slot 1', () => {
    expect(() => parseSigningKey({ slot: 1, method: 'HS256', encoded: '' })).toThrow(/^HEARTH_SIGNING_KEY_1_ENCODED /);
  });
});
