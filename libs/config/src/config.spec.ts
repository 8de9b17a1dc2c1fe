import { nkeys } from 'nats';
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig, required } from './config';
import { ConfigError } from './config-error';
import { RELOADABLE_KEYS } from './reloadable-settings';

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hearth-config-'));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The lines of the error that this environment causes; empty when it is right. */
function problemsOf(env: Record<string, string>, service: Parameters<typeof loadConfig>[1] = 'hearth') {
  try {
    loadConfig(env, service);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems;
  }
}

function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

/** Paths of a self-signed certificate and its key. */
function certificate(name: string) {
  const [cert, key] = [join(folder, `${name}.cert.pem`), join(folder, `${name}.key.pem`)];
  const request = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=localhost';
  execFileSync('openssl', [...request.split(' '), '-keyout', key, '-out', cert], { stdio: 'pipe' });
  return { cert, key };
}

const secret = Buffer.alloc(32, 7).toString('base64');

describe('defaults', () => {
  it('are the documented ones, also when every variable is empty', () => {
    for (const env of [{}, { HEARTH_PORT: '', HEARTH_TOKEN_AUDIENCE: '  ', HEARTH_EVENTS_ENABLED: '' }]) {
      const config = loadConfig(env, 'hearth');
      expect(config).toMatchObject({
        service: 'hearth',
        host: '0.0.0.0',
        port: 8080,
        adminHost: '127.0.0.1',
        adminPort: 9090,
        wsPaths: ['/', '/v1', '/v1/'],
        wsOrigins: [],
        trustedProxies: [],
        maxHeaderBytes: 65_536,
        maxBodyBytes: 262_144,
        corsOrigins: ['*'],
        partitions: 4,
        deduplicationScope: 'global',
        publishAck: 'stream',
        natsUrls: [],
        eventsMaxBytes: -1,
      });
      expect(config.databaseUrl).toBeUndefined();
      expect(config.reloadable.current).toMatchObject({
        signingKeys: [],
        apiKeys: [],
        tokenAudience: undefined,
        eventsEnabled: false,
        logLevel: 'INFO',
      });
    }
  });

  it('name every process differently', () => {
    const names = [loadConfig({}, 'hearth').nodeId, loadConfig({}, 'hearth').nodeId];
    expect(names[0]).toMatch(/^[\w-]+$/);
    expect(names[0]).not.toBe(names[1]);
    expect(loadConfig({ HEARTH_NODE_ID: 'gateway-3' }, 'hearth').nodeId).toBe('gateway-3');
  });

  it('give two processes of one name an identity each', () => {
    const env = { HEARTH_NODE_ID: 'gateway-3' };
    expect(loadConfig(env, 'hearth').processId).not.toBe(loadConfig(env, 'hearth').processId);
  });
});

describe('a value', () => {
  it.each([
    ['HEARTH_REQUIRE_KID', 'true', 'requireKid', true],
    ['HEARTH_REQUIRE_KID', 'Enabled', 'requireKid', true],
    ['HEARTH_REQUIRE_KID', 'DISABLED', 'requireKid', false],
    ['HEARTH_REQUIRE_KID', ' false ', 'requireKid', false],
    ['HEARTH_PORT', '0', 'port', 0],
    ['HEARTH_PORT', '65535', 'port', 65_535],
    ['HEARTH_EVENTS_MAX_BYTES', '-1', 'eventsMaxBytes', -1],
    ['HEARTH_DEDUPLICATION_SCOPE', 'Channel', 'deduplicationScope', 'channel'],
    ['HEARTH_WS_PATHS', '/, /socket', 'wsPaths', ['/', '/socket']],
    [
      'HEARTH_TRUSTED_PROXIES',
      '10.0.0.0/8, fd00::/8,192.0.2.1',
      'trustedProxies',
      ['10.0.0.0/8', 'fd00::/8', '192.0.2.1'],
    ],
    [
      'HEARTH_WS_ORIGINS',
      'https://a.example,http://b.example:8080',
      'wsOrigins',
      ['https://a.example', 'http://b.example:8080'],
    ],
    ['HEARTH_NATS_URL', 'nats://a:4222, b:4222', 'natsUrls', ['nats://a:4222', 'b:4222']],
    ['HEARTH_NATS_URL', 'tls://u:p%40ss@my_nats-1.local', 'natsUrls', ['tls://u:p%40ss@my_nats-1.local']],
    ['HEARTH_NATS_URL', '[::1]:4222', 'natsUrls', ['[::1]:4222']],
    [
      'HEARTH_DATABASE_URL',
      'postgres:///hearth?host=/run/postgresql',
      'databaseUrl',
      'postgres:///hearth?host=/run/postgresql',
    ],
    ['HEARTH_PUBLIC_WS_URL', 'wss://rt.example.com/v1', 'publicWsUrl', 'wss://rt.example.com/v1'],
    ['HEARTH_HOST', '::', 'host', '::'],
    ['HEARTH_HOST', 'fe80::1%eth0', 'host', 'fe80::1%eth0'],
    ['HEARTH_ADMIN_HOST', 'my_host-1.local', 'adminHost', 'my_host-1.local'],
  ] as const)('%s=%s is understood', (name, value, key, expected) => {
    expect(loadConfig({ [name]: value }, 'hearth')[key]).toEqual(expected);
  });

  it.each([
    ['HEARTH_REQUIRE_KID', 'yes'],
    ['HEARTH_HOST', 'localhost:8080'],
    ['HEARTH_HOST', 'http://localhost'],
    ['HEARTH_ADMIN_HOST', '127.0.0.1, 10.0.0.1'],
    ['HEARTH_PORT', '65536'],
    ['HEARTH_PORT', '80.5'],
    ['HEARTH_PORT', '0x50'],
    ['HEARTH_PORT', '1e3'],
    ['HEARTH_PARTITIONS', '0'],
    ['HEARTH_WS_PING_SECONDS', '-1'],
    ['HEARTH_TRACES_SAMPLE_RATE', '100.1'],
    ['HEARTH_LOG_LEVEL', 'TRACE'],
    ['HEARTH_DEDUPLICATION_SCOPE', 'everywhere'],
    ['HEARTH_SIGNING_KEY_1_METHOD', 'none'],
    ['HEARTH_PUBLIC_WS_URL', 'https://rt.example.com'],
    ['HEARTH_PUBLIC_HTTP_URL', 'rt.example.com'],
    ['HEARTH_TRUSTED_PROXIES', '10.0.0.0/33'],
    ['HEARTH_TRUSTED_PROXIES', 'proxy.example.com'],
    ['HEARTH_TRUSTED_PROXIES', ','],
    ['HEARTH_WS_PATHS', 'v1'],
    ['HEARTH_WS_PATHS', '/v1?x'],
    ['HEARTH_WS_ORIGINS', 'https://a.example/path'],
    ['HEARTH_CORS_ORIGINS', 'a.example'],
    ['HEARTH_NATS_URL', 'http://nats'],
    ['HEARTH_NATS_URL', '%%%'],
    ['HEARTH_NATS_URL', 'nats://a:4222,nats://b c'],
    ['HEARTH_DATABASE_URL', 'mysql://localhost'],
    ['HEARTH_EVENTS_SUBJECT_PREFIX', 'hearth.>'],
    ['HEARTH_EVENTS_STREAM', 'a.b'],
    ['HEARTH_NODE_ID', 'a b'],
    ['HEARTH_AWS_ACCESS_KEYS', 'AKID'],
    ['HEARTH_AWS_ACCESS_KEYS', 'AKID:'],
    ['HEARTH_AWS_ACCESS_KEYS', ':secret'],
    ['HEARTH_AWS_ACCESS_KEYS', 'AK/ID:secret'],
    ['HEARTH_AWS_ACCESS_KEYS', 'AKID:se:cret'],
    ['HEARTH_AWS_ACCESS_KEYS', 'AKID:secret,off'],
    ['HEARTH_AWS_ACCESS_KEYS', 'AKID:one,AKID:two'],
    ['HEARTH_AWS_ACCESS_KEYS', ','],
    ['HEARTH_AWS_ACCOUNT_ID', '1'],
    ['HEARTH_WEBHOOK_SECRETS', 'whsec_'],
    ['HEARTH_WEBHOOK_SECRETS', Buffer.alloc(32).toString('base64')],
    ['HEARTH_WEBHOOK_SECRETS', `whsec_${Buffer.alloc(23).toString('base64')}`],
    ['HEARTH_WEBHOOK_SECRETS', `whsec_${Buffer.alloc(65).toString('base64')}`],
    ['HEARTH_WEBHOOK_SECRETS', `whsec_${Buffer.alloc(32).toString('base64').slice(0, -1)}`],
    ['HEARTH_WEBHOOK_TYPES', 'messagePublished'],
    ['HEARTH_WEBHOOK_URLS', 'example.com/hook'],
    ['HEARTH_COMPAT_VERSION', 'new'],
    ['HEARTH_TLS_CERT_FILE', '/nowhere/cert.pem'],
    ['HEARTH_TLS_CERT_FILE', tmpdir()],
    ['HEARTH_TLS_KEY_FILE', tmpdir()],
    ['HEARTH_NATS_CREDS_FILE', tmpdir()],
    ['HEARTH_DATA_DIR', __filename],
    ['HEARTH_DATA_DIR', join(__filename, 'below')],
  ])('%s=%s is refused, and the message says what is allowed', (name, value) => {
    const [problem] = problemsOf({ [name]: value });
    expect(problem).toMatch(new RegExp(`^${name}: must be `));
  });
});

describe('mistakes', () => {
  it('are reported all at once', () => {
    const problems = problemsOf(
      { HEARTH_PORT: 'http', HEARTH_PARTITIONS: '-4', HEARTH_LOG_LEVEL: 'LOUD', HEARTH_SIGNING_KEY_1_ENCODED: '???' },
      'gateway',
    );
    expect(problems.map((line) => line.split(/[: ]/)[0]).sort()).toEqual([
      'HEARTH_DATABASE_URL',
      'HEARTH_LOG_LEVEL',
      'HEARTH_NATS_URL',
      'HEARTH_PARTITIONS',
      'HEARTH_PORT',
      'HEARTH_SIGNING_KEY_1_ENCODED',
    ]);
  });

  it('never show a secret', () => {
    const env = {
      HEARTH_DATABASE_URL: 'mysql://hearth:TOPSECRET@db/hearth',
      HEARTH_NATS_URL: 'http://user:TOPSECRET@nats',
      HEARTH_AWS_ACCESS_KEYS: 'TOPSECRET',
      HEARTH_SIGNING_KEY_1_METHOD: 'RS256',
      HEARTH_SIGNING_KEY_1_ENCODED: Buffer.from('TOPSECRET').toString('base64'),
      HEARTH_SIGNING_KEY_2_ENCODED: 'TOPSECRET!',
      HEARTH_HTTP_API_KEY_1: 'TOPSECRET',
      HEARTH_HTTP_API_KEY_1_FILE: '/nowhere',
    };
    const text = problemsOf(env).join('\n');
    expect(text.split('\n')).toHaveLength(6);
    expect(text).not.toContain('TOPSECRET');
    expect(text).not.toContain(env.HEARTH_SIGNING_KEY_1_ENCODED);
  });

  it('in names are warnings', () => {
    const { warnings } = loadConfig(
      { HEARTH_PROT: '1', HEARTH_PORT_FILE: '', HEARTH_TLS_KEY_FILE_FILE: 'x' },
      'hearth',
    );
    expect(warnings.filter((line) => line.includes('not a known variable'))).toEqual([
      'HEARTH_PROT is not a known variable and has no effect',
      'HEARTH_TLS_KEY_FILE_FILE is not a known variable and has no effect',
    ]);
  });
});

describe('a service', () => {
  const nats = { HEARTH_NATS_URL: 'nats://localhost' };
  const database = { HEARTH_DATABASE_URL: 'postgres://localhost/hearth' };

  it.each([
    ['hearth', {}, []],
    ['publish-api', { ...nats, ...database }, []],
    ['publish-api', database, ['HEARTH_NATS_URL']],
    ['sequencer', nats, ['HEARTH_DATABASE_URL']],
    ['gateway', {}, ['HEARTH_NATS_URL', 'HEARTH_DATABASE_URL']],
    ['history', { ...nats, ...database }, []],
  ] as const)('%s with %j misses %j', (service, env, missing) => {
    expect(problemsOf(env, service).map((line) => line.split(':')[0])).toEqual(missing);
  });

  it('that verifies tokens starts without a signing key, with a warning', () => {
    expect(loadConfig({ ...nats, ...database }, 'gateway').warnings).toEqual([expect.stringContaining('signing key')]);
    expect(loadConfig({ ...nats, ...database }, 'history').warnings).toEqual([]);
    expect(loadConfig({ ...nats, ...database }, 'publish-api').warnings).toEqual([expect.stringContaining('API key')]);
  });

  it('is told which setting the code cannot do without', () => {
    const config = loadConfig({}, 'hearth');
    expect(() => required(config, 'databaseUrl')).toThrow('HEARTH_DATABASE_URL');
    expect(required(loadConfig(database, 'hearth'), 'databaseUrl')).toBe('postgres://localhost/hearth');
  });

  it('gets settings that cannot be changed', () => {
    const config = loadConfig({}, 'hearth');
    expect(Object.isFrozen(config)).toBe(true);
    expect(Object.isFrozen(config.reloadable.current)).toBe(true);
  });

  it('needs certificate and key together', () => {
    const { cert, key } = certificate('pair');
    expect(problemsOf({ HEARTH_TLS_CERT_FILE: cert })).toEqual([expect.stringContaining('HEARTH_TLS_KEY_FILE')]);
    expect(problemsOf({ HEARTH_TLS_KEY_FILE: key })).toEqual([expect.stringContaining('HEARTH_TLS_CERT_FILE')]);
    expect(problemsOf({ HEARTH_TLS_CERT_FILE: cert, HEARTH_TLS_KEY_FILE: key })).toEqual([]);
  });

  it('does not take for a certificate, its key or credentials of NATS what is none', () => {
    const [{ cert }, { key }] = [certificate('one'), certificate('another')];
    const nothing = file('nothing.pem', 'x');
    const env = { HEARTH_TLS_CERT_FILE: nothing, HEARTH_TLS_KEY_FILE: nothing, HEARTH_NATS_CREDS_FILE: nothing };
    expect(problemsOf({ ...env, HEARTH_PORT: 'http' })).toEqual([
      expect.stringMatching(/^HEARTH_PORT: must be /),
      'HEARTH_TLS_CERT_FILE: must hold a PEM certificate chain',
      'HEARTH_TLS_KEY_FILE: must hold a PEM private key, without a passphrase',
      'HEARTH_NATS_CREDS_FILE: must hold NATS credentials: a user JWT and its seed',
    ]);
    expect(problemsOf({ HEARTH_TLS_CERT_FILE: cert, HEARTH_TLS_KEY_FILE: key })).toEqual([
      'HEARTH_TLS_KEY_FILE: is not the key of the certificate in HEARTH_TLS_CERT_FILE',
    ]);
  });

  it('takes credentials of NATS', () => {
    const block = (name: string, text: string) => `-----BEGIN ${name}-----\n${text}\n------END ${name}------\n\n`;
    const seed = new TextDecoder().decode(nkeys.createUser().getSeed());
    const creds = file(
      'user.creds',
      `${block('NATS USER JWT', 'eyJ0.eyJ1.c2ln')}*** IMPORTANT ***\nWords of nsc.\n\n${block('USER NKEY SEED', seed)}`,
    );
    expect(problemsOf({ HEARTH_NATS_CREDS_FILE: creds })).toEqual([]);
  });

  it.each<[Record<string, string>, Parameters<typeof loadConfig>[1], boolean]>([
    [{ HEARTH_PORT: '9090' }, 'hearth', false],
    [{ HEARTH_ADMIN_PORT: '8080', ...nats, ...database }, 'history', false],
    [{ HEARTH_PORT: '9090', HEARTH_HOST: '127.0.0.1' }, 'hearth', false],
    [{ HEARTH_PORT: '9090', HEARTH_HOST: '10.0.0.1' }, 'hearth', true],
    [{ HEARTH_PORT: '0', HEARTH_ADMIN_PORT: '0' }, 'hearth', true],
    [{ HEARTH_PORT: '9090', ...nats, ...database }, 'sequencer', true],
  ])('with %j, %s has a port for each of its listeners: %s', (env, service, isRight) => {
    expect(problemsOf(env, service)).toEqual(
      isRight ? [] : [expect.stringMatching(/^HEARTH_ADMIN_PORT: must not be /)],
    );
  });
});

describe('X_FILE', () => {
  it('gives the content of the file, without the line break at its end', () => {
    const env = {
      HEARTH_HTTP_API_KEY_1_FILE: file('api-key', 'key-from-file\n'),
      HEARTH_PORT_FILE: file('port', '8181\r\n'),
    };
    const config = loadConfig(env, 'hearth');
    expect(config.reloadable.current.apiKeys).toEqual(['key-from-file']);
    expect(config.port).toBe(8181);
  });

  it('satisfies what a service requires', () => {
    const env = {
      HEARTH_NATS_URL_FILE: file('nats', 'nats://localhost'),
      HEARTH_DATABASE_URL_FILE: file('database', 'postgres://localhost/hearth'),
    };
    expect(problemsOf(env, 'publish-api')).toEqual([]);
  });

  it('with an empty file counts as unset', () => {
    expect(
      loadConfig({ HEARTH_HTTP_API_KEY_1_FILE: file('empty', '\n') }, 'hearth').reloadable.current.apiKeys,
    ).toEqual([]);
  });

  it('beside X, or without a readable file, is a mistake', () => {
    const path = file('both', '1');
    expect(problemsOf({ HEARTH_PORT: '1', HEARTH_PORT_FILE: path })).toEqual([
      'HEARTH_PORT: is set, and HEARTH_PORT_FILE too; set one of them',
    ]);
    expect(problemsOf({ HEARTH_NATS_TOKEN_FILE: join(folder, 'none') })).toEqual([
      expect.stringMatching(
        /^HEARTH_NATS_TOKEN: the file ".*none" of HEARTH_NATS_TOKEN_FILE cannot be read \(ENOENT\)$/,
      ),
    ]);
  });
});

describe('keys', () => {
  it('are both signing keys that are set, in the order of their slots', () => {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
    const { signingKeys } = loadConfig(
      {
        HEARTH_SIGNING_KEY_1_METHOD: 'ES256',
        HEARTH_SIGNING_KEY_1_ENCODED_FILE: file('public.pem', pem),
        HEARTH_SIGNING_KEY_2_ENCODED: secret,
        HEARTH_SIGNING_KEY_2_ID: 'new',
      },
      'hearth',
    ).reloadable.current;
    expect(signingKeys.map(({ slot, method, id }) => [slot, method, id])).toEqual([
      [1, 'ES256', undefined],
      [2, 'HS256', 'new'],
    ]);
  });

  it('of the HTTP API are 1, 2 and the additional ones, each once', () => {
    const env = { HEARTH_HTTP_API_KEY_1: 'a', HEARTH_HTTP_API_KEY_2: 'b', HEARTH_HTTP_API_KEYS: 'c, a ,d' };
    expect(loadConfig(env, 'hearth').reloadable.current.apiKeys).toEqual(['a', 'b', 'c', 'd']);
  });

  it('of the HTTP API are not the admin token, which has 16 characters at least', () => {
    const token = 'not-an-api-key-1';
    expect(loadConfig({ HEARTH_ADMIN_TOKEN: token }, 'hearth').reloadable.current.adminToken).toBe(token);
    expect(problemsOf({ HEARTH_ADMIN_TOKEN: token, HEARTH_HTTP_API_KEYS: `a,${token}` })).toEqual([
      'HEARTH_ADMIN_TOKEN: must not be one of the API keys',
    ]);
    expect(problemsOf({ HEARTH_ADMIN_TOKEN: token.slice(1) })).toEqual([
      'HEARTH_ADMIN_TOKEN: must be at least 16 characters of ASCII, but is something else (not shown)',
    ]);
  });

  it('of the Lambda-compatible endpoint are pairs, none at all, or the word off', () => {
    const keysOf = (value: string) =>
      loadConfig({ HEARTH_AWS_ACCESS_KEYS: value }, 'hearth').reloadable.current.awsAccessKeys;
    const pairs = ' AKIAONE:se/cr+et= , AKIATWO:other,';
    expect([...keysOf(pairs)]).toEqual([
      ['AKIAONE', 'se/cr+et='],
      ['AKIATWO', 'other'],
    ]);
    expect(keysOf('')).toEqual(new Map());
    expect([keysOf('off'), keysOf('OFF')]).toEqual(['off', 'off']);
  });

  it('and everything else that may change is what the specification lists', () => {
    expect([...RELOADABLE_KEYS].sort()).toEqual(
      [
        ...['signingKey1Method', 'signingKey1Id', 'signingKey1Encoded'],
        ...['signingKey2Method', 'signingKey2Id', 'signingKey2Encoded'],
        ...['tokenAudience', 'tokenIssuer', 'apiKey1', 'apiKey2', 'moreApiKeys', 'awsAccessKeys'],
        ...['logLevel', 'tracesSampleRate', 'eventsEnabled', 'webhookSecrets', 'resumeKeys', 'adminToken'],
      ].sort(),
    );
  });
});

describe('keys that are too short', () => {
  const bytes = (count: number) => Buffer.alloc(count, 7).toString('base64');
  const given = { HEARTH_HTTP_API_KEY_1: 'a-key-of-16-char', HEARTH_SIGNING_KEY_1_ENCODED: bytes(32) };

  it.each<[Record<string, string>, string]>([
    [{ HEARTH_HTTP_API_KEY_1: 'fifteen-letters' }, 'HEARTH_HTTP_API_KEY_1: a key must have at least 16 characters'],
    [{ HEARTH_HTTP_API_KEY_2: '1' }, 'HEARTH_HTTP_API_KEY_2: a key must have at least 16 characters'],
    [{ HEARTH_HTTP_API_KEYS: 'x,y' }, 'HEARTH_HTTP_API_KEYS: a key must have at least 16 characters'],
    [
      { HEARTH_SIGNING_KEY_1_ENCODED: bytes(31) },
      'HEARTH_SIGNING_KEY_1_ENCODED: has 31 bytes, and a secret for HS256 must have 32 (RFC 7518)',
    ],
    [
      { HEARTH_SIGNING_KEY_2_ENCODED: bytes(47), HEARTH_SIGNING_KEY_2_METHOD: 'HS384' },
      'HEARTH_SIGNING_KEY_2_ENCODED: has 47 bytes, and a secret for HS384 must have 48 (RFC 7518)',
    ],
    [
      { HEARTH_SIGNING_KEY_2_ENCODED: bytes(63), HEARTH_SIGNING_KEY_2_METHOD: 'HS512' },
      'HEARTH_SIGNING_KEY_2_ENCODED: has 63 bytes, and a secret for HS512 must have 64 (RFC 7518)',
    ],
  ])('are warned of, and stop the start in production unless told otherwise: %j', (env, problem) => {
    const all = { ...given, ...env };
    expect(loadConfig(all, 'hearth').warnings).toContain(problem);
    expect(problemsOf({ ...all, NODE_ENV: 'production' })).toEqual([problem]);
    expect(problemsOf({ ...all, HEARTH_WEAK_KEYS: 'refuse' })).toEqual([problem]);
    expect(problemsOf({ ...all, NODE_ENV: 'production', HEARTH_WEAK_KEYS: 'warn' })).toEqual([]);
  });

  it('are not those that are long enough', () => {
    expect(loadConfig({ ...given, NODE_ENV: 'production' }, 'hearth').warnings).toEqual([]);
  });
});
