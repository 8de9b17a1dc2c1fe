import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { signToken } from '../support/tokens';
import { failure, hearth } from './hearth-command';

const SECRET = 'a shared secret of thirty-two by';
const ENCODED = Buffer.from(SECRET).toString('base64');
/** An installation with a shared secret, as its own settings say it. */
const env = { HEARTH_SIGNING_KEY_1_ENCODED: ENCODED };

const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const privatePem = p256.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const publicPem = p256.publicKey.export({ type: 'spki', format: 'pem' }).toString();
/** An installation that can check tokens, but not sign them. */
const publicEnv = {
  HEARTH_SIGNING_KEY_1_METHOD: 'ES256',
  HEARTH_SIGNING_KEY_1_ID: 'k1',
  HEARTH_SIGNING_KEY_1_ENCODED: Buffer.from(publicPem).toString('base64'),
};

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-test-cli-'));
  await writeFile(join(folder, 'private.pem'), privatePem);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** What `hearth token --json` prints. */
async function issued(args: readonly string[], options: Parameters<typeof hearth>[1] = { env }) {
  const { code, stdout, stderr } = await hearth(['token', ...args, '--json'], options);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout);
}

/** What `hearth token check --json` says about a token. */
async function checked(token: string, settings: Record<string, string> = env, args: readonly string[] = []) {
  const { code, stdout } = await hearth(['token', 'check', token, ...args, '--json'], { env: settings });
  return { code, ...JSON.parse(stdout) };
}

describe('hearth token', () => {
  it('prints a token, and nothing else, that the installation accepts', async () => {
    const { code, stdout, stderr } = await hearth(['token', '--uid', 'you', '--channel', 'a'], { env });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^eyJ[\w-]+\.eyJ[\w-]+\.[\w-]+\n$/);
    expect(await checked(stdout.trim())).toMatchObject({
      code: 0,
      use: 'connect',
      uid: 'you',
      channels: { a: { subscribe: true } },
    });
  });

  it('takes claims from flags', async () => {
    const flags =
      '--uid you --ttl 5m --single-use --keep-alive --heartbeat-timeout 30 --aud h --iss i --connection-id c';
    const channel =
      '--channel a --channel b.* --subscribe --auto-subscribe --get-info --publish chat --echo --store 60';
    const { claims, algorithm, expiresAt } = await issued([
      ...`${flags} ${channel} --scope`.split(' '),
      'connect subscribe',
      ...['--umd', '{"name":"Ada"}', '--history', '2026-01-01T00:00:00Z'],
    ]);
    const entry = {
      ...{ subscribe: true, autoSubscribe: true, historyStart: 1_767_225_600, getInfo: true },
      messages: { chat: { publish: true, echo: true, store: 60 } },
    };
    expect(claims).toEqual({
      ...{ uid: 'you', umd: { name: 'Ada' }, aud: 'h', iss: 'i', jti: expect.any(String), singleUse: true },
      ...{ connectionId: 'c', keepAlive: true, heartbeatTimeout: 30, exp: expect.any(Number) },
      scope: 'connect subscribe',
      channels: { a: entry, 'b.*': entry },
    });
    expect(algorithm).toBe('HS256');
    expect(Date.parse(expiresAt)).toBe(claims.exp * 1_000);
  });

  it('takes claims from stdin, and flags over them', async () => {
    const base = { uid: 'me', scope: 'umd', custom: [1], channels: { a: { getInfo: true } } };
    const args = ['--claims', '-', '--uid', 'you', '--channel', 'a', '--history'];
    const { claims } = await issued(args, { env, input: JSON.stringify(base) });
    expect(claims).toMatchObject({ uid: 'you', scope: 'umd', custom: [1] });
    expect(claims.channels).toEqual({ a: { getInfo: true, historyStart: 0 } });
  });

  it.each([
    ['a flag', ['--umd', '{"n":12345678901234567890,"m":1.10}'], ''],
    ['a file', ['--claims', '-'], '{"umd":{"n":12345678901234567890,"m":1.10},"uid":"me"}'],
  ])('takes umd from %s as it is written, digits that no double holds included', async (_, args, input) => {
    const { stdout } = await hearth(['token', '--json', ...args], { env, input });
    const { token } = JSON.parse(stdout) as { token: string };
    const payload = Buffer.from(token.split('.')[1] ?? '', 'base64url').toString();
    const { stdout: explained } = await hearth(['token', 'check', '--json', token], { env });
    for (const text of [stdout, payload, explained]) {
      expect(text).toContain('"umd":{"n":12345678901234567890,"m":1.10}');
      expect(() => JSON.parse(text) as unknown).not.toThrow();
    }
  });

  it('signs with a secret of any bytes, and sends the key ID of the settings', async () => {
    const settings = {
      HEARTH_SIGNING_KEY_1_METHOD: 'HS512',
      HEARTH_SIGNING_KEY_1_ID: 'k1',
      HEARTH_SIGNING_KEY_1_ENCODED: Buffer.from([0, 255, 254, 128, 10, 13, 1]).toString('base64'),
    };
    const { token, algorithm, kid } = await issued([], { env: settings });
    expect({ algorithm, kid }).toEqual({ algorithm: 'HS512', kid: 'k1' });
    expect(await checked(token, settings)).toMatchObject({ code: 0, algorithm: 'HS512', kid: 'k1' });
  });

  it('signs with a private key from a file, from the command line and with its line breaks escaped', async () => {
    for (const key of [`@${join(folder, 'private.pem')}`, privatePem, privatePem.replaceAll('\n', ' ')]) {
      const { token } = await issued(['--key', key, '--kid', 'k1'], { env: publicEnv });
      expect(await checked(token, publicEnv)).toMatchObject({ code: 0, algorithm: 'ES256', kid: 'k1' });
    }
  });

  it('signs with a secret from the command line', async () => {
    const { token } = await issued(['--key', SECRET], { env: {} });
    expect(await checked(token)).toMatchObject({ code: 0 });
  });

  it.each<[string, string[], Record<string, string>, string]>([
    ['no key at all', [], {}, 'error: no signing key: give --key, set HEARTH_SIGNING_KEY_1_ENCODED, or'],
    [
      'a public key in the settings',
      [],
      publicEnv,
      '(ES256) is a public key, which can only check tokens: give the private',
    ],
    ['a public key', ['--key', publicPem], env, 'error: --key is a public key, which can only check tokens: give the'],
    ['a damaged key', ['--key', '-----BEGIN PRIVATE KEY-----\nPLANTED'], env, 'error: --key is not a PEM private key'],
    ['an empty key', ['--key', ''], env, 'error: --key must not be empty'],
    ['a file that is not there', ['--key', '@/nowhere'], env, 'error: --key: /nowhere cannot be read (ENOENT)'],
    [
      'a secret for a key pair',
      ['--key', 'PLANTED', '--algorithm', 'ES256'],
      env,
      'error: --key must be a PEM private key',
    ],
    [
      'a key of another kind',
      ['--key', privatePem, '--algorithm', 'RS256'],
      env,
      'error: --algorithm RS256 does not fit',
    ],
    ['another algorithm', ['--algorithm', 'HS512'], env, 'error: --algorithm HS512 does not fit the signing key'],
    ['no algorithm', ['--algorithm', 'none'], env, 'error: --algorithm must be one of HS256, '],
    ['umd that is not JSON', ['--umd', '{PLANTED'], env, 'error: --umd must be JSON, such as'],
    ['claims that are not JSON', ['--claims', '-'], env, 'error: --claims must be JSON, such as'],
    ['claims in no file', ['--claims', '/nowhere'], env, 'error: --claims: /nowhere cannot be read (ENOENT)'],
    ['no time', ['--ttl', 'soon'], env, 'error: --ttl must be a time such as'],
    ['no date', ['--channel', 'a', '--history', 'ever'], env, 'error: --history must be Unix seconds or a date'],
    ['no number', ['--heartbeat-timeout', '1.5'], env, 'error: --heartbeat-timeout must be a whole number'],
    ['a permission on no channel', ['--subscribe'], env, 'error: --channel is needed'],
    ['a flag that does not exist', ['--kye=PLANTED'], env, "error: unknown option '--kye'"],
    ['a flag without its value', ['--uid'], env, "error: option '--uid <uid>' argument missing"],
    ['an argument', ['PLANTED'], env, 'error: too many arguments'],
    [
      'settings that are wrong',
      [],
      { HEARTH_SIGNING_KEY_1_ENCODED: 'PLANTED!', HEARTH_PORT: 'x' },
      'error: HEARTH_PORT: must be',
    ],
  ])('is used wrongly with %s: exit code 2, and no secret is shown', async (_, args, settings, line) => {
    const outcome = await hearth(['token', ...args], { env: settings });
    expect(outcome).toEqual(failure(2, line));
    expect(outcome.stderr).not.toContain('PLANTED');
  });

  it.each([
    ['[]', 'error: --claims must be a JSON object'],
    ['{"channels":{"a":{"historyStart":1e400}}}', 'error: --claims: historyStart is too large a number'],
  ])('is used wrongly with the claims %s', async (input, problem) => {
    expect(await hearth(['token', '--claims', '-'], { env, input })).toEqual(failure(2, problem));
  });
});

describe('hearth token check', () => {
  const now = Math.floor(Date.now() / 1_000);
  // Far more than these tests take on a busy machine.
  const HOUR = 3_600;
  const token = (claims: object = {}, key: object = {}) =>
    signToken({ exp: now + HOUR, scope: 'connect', uid: 'you', ...claims }, { secret: SECRET, ...key });

  it('says what a token allows', async () => {
    const channels = { 'chat.*': { subscribe: true, messages: { hello: { publish: true } } } };
    const args = ['token', 'check', '-', '--channel', 'chat.1', '--event', 'hello'];
    const { code, stdout, stderr } = await hearth(args, { env, input: `${token({ channels })}\n` });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^Valid: Hearth accepts this token to connect\.\n {2}expires {3}20\S+Z, in 5\d minutes/);
    expect(stdout).toContain('    chat.*\n      may subscribe\n      may publish hello while subscribed\n');
    expect(stdout).toContain(
      '  On chat.1: subscribe yes; history from the subscription on; info no; publish hello while',
    );
  });

  it('says what a token allows as JSON', async () => {
    const channels = {
      'chat.*': { subscribe: true, messages: { '*': { publish: true, store: 60 } } },
      b: { subscribe: false },
    };
    const args = ['--channel', 'chat.1', '--channel', 'b', '--event', 'hello'];
    expect(await checked(token({ umd: [1], exp: now + HOUR, channels }), env, args)).toEqual({
      ...{ code: 0, valid: true, use: 'connect', algorithm: 'HS256', scope: ['connect'], uid: 'you', umd: [1] },
      ...{ singleUse: false, keepAlive: false, umdUpdate: false, umdPropagate: false },
      expiresAt: new Date((now + HOUR) * 1_000).toISOString().replace('.000', ''),
      expiresInSeconds: expect.any(Number),
      channels,
      decisions: [
        {
          ...{ channel: 'chat.1', subscribe: true, autoSubscribe: false, getInfo: false },
          ...{ event: 'hello', publish: 'while subscribed', echo: false, store: 60 },
        },
        {
          ...{ channel: 'b', subscribe: false, autoSubscribe: false, getInfo: false },
          ...{ event: 'hello', publish: 'no', echo: false, store: 0 },
        },
      ],
    });
  });

  it.each<[string, string, Record<string, string>, string[], string, string | RegExp | undefined]>([
    ['malformed', 'no-token', {}, [], 'token must be a JSON Web Token of three Base64url segments', undefined],
    [
      'algorithm',
      token({}, { alg: 'HS512' }),
      {},
      [],
      'token header alg is not the method',
      /^alg is "HS512"; .* \(HS256\)$/,
    ],
    ['signature', token({}, { secret: 'x' }), {}, [], 'token signature is not valid', /signed with another key/],
    ['signature', token({}, { secret: ENCODED }), {}, [], 'token signature is not valid', /Base64 text of the key/],
    [
      'key_id',
      token({}, { kid: 'b' }),
      { HEARTH_SIGNING_KEY_1_ID: 'a' },
      [],
      'token header kid',
      /^kid is "b"; .* id a\)$/,
    ],
    [
      'key_id',
      token(),
      { HEARTH_SIGNING_KEY_1_ID: 'a', HEARTH_REQUIRE_KID: 'true' },
      [],
      'token header kid',
      /missing/,
    ],
    ['expired', token({ exp: now - 25 * HOUR }), {}, [], 'token has expired', /^it expired 1 day 1 hour ago, at 20/],
    ['not_yet_valid', token({ nbf: now + 25 * HOUR }), {}, [], 'token is not valid yet', /^it will be valid in 1 day /],
    [
      'audience',
      token({ aud: 'x' }),
      { HEARTH_TOKEN_AUDIENCE: 'h' },
      [],
      'aud must contain',
      'aud is "x"; the installation requires "h"',
    ],
    [
      'issuer',
      token(),
      { HEARTH_TOKEN_ISSUER: 'i' },
      [],
      'iss must be',
      'iss is missing; the installation requires "i"',
    ],
    ['claims', token({ channels: { '#regex:[': {} } }), {}, [], 'is not a valid RE2 regular expression', undefined],
    ['scope', token(), {}, ['--for', 'umd'], 'scope must include umd', 'scope is "connect"'],
    ['scope', token({ scope: 'x' }), {}, [], 'scope must include connect, subscribe or umd', 'scope is "x"'],
    [
      'binding',
      token({ connectionId: 'c' }),
      {},
      [],
      'a token with a connectionId claim cannot be used to connect',
      undefined,
    ],
  ])('says why a token would be refused, with exit code 1: %s', async (reason, text, more, args, message, detail) => {
    expect(await checked(text, { ...env, ...more }, args)).toEqual({
      ...{ code: 1, valid: false, reason, status: reason === 'scope' || reason === 'binding' ? 403 : 401 },
      message: expect.stringContaining(message),
      detail: detail instanceof RegExp ? expect.stringMatching(detail) : detail,
    });
  });

  it('says so in words', async () => {
    expect(
      await hearth(['token', 'check', token({ aud: 'x' })], { env: { ...env, HEARTH_TOKEN_AUDIENCE: 'h' } }),
    ).toEqual({
      code: 1,
      stdout:
        'Refused (audience): aud must contain the configured audience\n  aud is "x"; the installation requires "h"\n',
      stderr: '',
    });
  });

  it('accepts what the leeway of the installation allows', async () => {
    const settings = { ...env, HEARTH_TOKEN_LEEWAY_SECONDS: '3600' };
    expect(await checked(token({ exp: now - 1 }), settings)).toMatchObject({ code: 0, valid: true });
  });

  it.each<[string, string[], Record<string, string>, string]>([
    ['no token', [], env, "error: missing required argument 'token'"],
    ['two tokens', ['a', 'b'], env, 'error: too many arguments'],
    [
      'no key to check with',
      ['a.b.c'],
      {},
      'error: no signing key to check with: set HEARTH_SIGNING_KEY_1_ENCODED, or',
    ],
    ['another use', ['a.b.c', '--for', 'fun'], env, "error: option '--for <use>' argument 'fun' is invalid"],
    ['an event on no channel', ['a.b.c', '--event', 'e'], env, 'error: --event needs --channel'],
  ])('is used wrongly with %s: exit code 2', async (_, args, settings, line) => {
    expect(await hearth(['token', 'check', ...args], { env: settings })).toEqual(failure(2, line));
  });
});
