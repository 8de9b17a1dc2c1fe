import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig, outputsOf, withInstallationKeys } from '@hearth/config';
import { loadOrCreateKeys } from '@hearth/data-dir';
import { welcomeText } from '../../apps/hearth/src/welcome';

let dataDir: string;

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'hearth-test-keys-'));
});

afterEach(async () => {
  await rm(dataDir, { recursive: true, force: true });
});

describe('the generated keys', () => {
  it('have the forms that the configuration asks for', async () => {
    const keys = await loadOrCreateKeys(dataDir);

    expect(keys.created).toBe(true);
    expect(keys.httpApiKey1).toMatch(/^[A-Za-z0-9]{40}$/);
    expect(keys.httpApiKey2).toMatch(/^[A-Za-z0-9]{40}$/);
    expect(keys.httpApiKey2).not.toBe(keys.httpApiKey1);
    expect(keys.awsAccessKeys).toMatch(/^AKIA[A-Z2-7]{16}:[A-Za-z0-9]{40}$/);
    expect(keys.signingKey.method).toBe('HS256');
    expect(keys.signingKey.secret.toString('utf8')).toMatch(/^[A-Za-z0-9]{43}$/);
    expect(keys.signingKey.encoded).toBe(keys.signingKey.secret.toString('base64'));
  });

  it('stay the same from start to start', async () => {
    const first = await loadOrCreateKeys(dataDir);

    expect(await loadOrCreateKeys(dataDir)).toEqual({ ...first, created: false });
  });

  it('are in a file that only its owner can read', async () => {
    const { file } = await loadOrCreateKeys(dataDir);

    expect(file).toBe(join(dataDir, 'keys.json'));
    expect((await stat(file)).mode & 0o777).toBe(0o600);
  });

  it.each(['', '{"httpApiKey1":"SECRETSECRET', '{"httpApiKey1":"SECRETSECRET"}'])(
    'are not replaced when the file is damaged, and the message tells no secret (%j)',
    async (content) => {
      await writeFile(join(dataDir, 'keys.json'), content);

      const problem = await loadOrCreateKeys(dataDir).catch((error: Error) => error.message);

      expect(problem).toContain(`${join(dataDir, 'keys.json')} is damaged`);
      expect(problem).not.toContain('SECRET');
    },
  );

  it('are not replaced when the file cannot be read', async () => {
    // A folder in its place fails for root, too, whom no mode keeps out.
    await mkdir(join(dataDir, 'keys.json'));

    await expect(loadOrCreateKeys(dataDir)).rejects.toThrow(`${join(dataDir, 'keys.json')} cannot be read`);
  });
});

describe('the keys in force', () => {
  const secret = Buffer.alloc(32, 7).toString('base64');

  /** The names of the keys that are in force with these variables, in place of the keys. */
  async function inForce(env: Record<string, string>) {
    const keys = await loadOrCreateKeys(dataDir);
    const names: Record<string, string> = {
      [keys.httpApiKey1]: 'generated 1',
      [keys.httpApiKey2]: 'generated 2',
      [keys.signingKey.encoded]: 'generated',
      [secret]: 'own',
    };
    const prepared = await withInstallationKeys({ HEARTH_DATA_DIR: dataDir, ...env }, loadOrCreateKeys);
    const { apiKeys, signingKeys } = loadConfig(prepared.env, 'hearth').reloadable.current;
    return {
      api: apiKeys.map((key) => names[key] ?? key),
      signing: signingKeys.map(({ slot, key }) => {
        const encoded = key.export().toString('base64');
        return `${slot} ${names[encoded]}`;
      }),
    };
  }

  const generated = { api: ['generated 1', 'generated 2'], signing: ['1 generated'] };

  it.each<[string, Record<string, string>, object]>([
    ['nothing is set', {}, {}],
    ['all is blank', { HEARTH_HTTP_API_KEY_1: ' ', HEARTH_HTTP_API_KEYS: '', HEARTH_HTTP_API_KEY_2_FILE: ' ' }, {}],
    ['further keys are set', { HEARTH_HTTP_API_KEYS: 'a,b' }, { api: ['generated 1', 'generated 2', 'a', 'b'] }],
    ['slot 1 is set', { HEARTH_HTTP_API_KEY_1: 'a' }, { api: ['a', 'generated 2'] }],
    ['slot 2 is set', { HEARTH_HTTP_API_KEY_2: 'b' }, { api: ['generated 1', 'b'] }],
    ['both are set', { HEARTH_HTTP_API_KEY_1: 'a', HEARTH_HTTP_API_KEY_2: 'b' }, { api: ['a', 'b'] }],
    ['signing key 1 is set', { HEARTH_SIGNING_KEY_1_ENCODED: secret }, { signing: ['1 own'] }],
    ['signing key 2 is set', { HEARTH_SIGNING_KEY_2_ENCODED: secret }, { signing: ['1 generated', '2 own'] }],
  ])('are, when %s, the generated ones of the slots that are left open', async (_, env, expected) => {
    expect(await inForce(env)).toEqual({ ...generated, ...expected });
  });

  it('leave a slot empty whose file is empty: that is how a generated key is switched off', async () => {
    const file = join(dataDir, 'empty');
    await writeFile(file, '');

    expect(await inForce({ HEARTH_HTTP_API_KEY_1_FILE: file, HEARTH_SIGNING_KEY_1_ENCODED_FILE: file })).toEqual({
      api: ['generated 2'],
      signing: [],
    });
  });

  it('are those that the first start shows, and that its commands use', async () => {
    const env = { HEARTH_DATA_DIR: dataDir, HEARTH_HTTP_API_KEY_1: 'own' };
    const prepared = await withInstallationKeys(env, loadOrCreateKeys);
    const config = loadConfig(prepared.env, 'hearth');
    const [outputs, settings] = [outputsOf(config), config.reloadable.current];
    const welcome = await welcomeText(outputs, prepared.generated, settings, true);
    const keys = await loadOrCreateKeys(dataDir);

    expect(welcome).toContain(`API key 2: ${keys.httpApiKey2}`);
    expect(welcome).not.toContain(keys.httpApiKey1);
    expect(welcome).toContain(`require('${keys.file}').httpApiKey2`);
    expect(welcome).not.toContain('API key 1:');

    // What is no terminal may be a log that is kept.
    const logged = await welcomeText(outputs, prepared.generated, settings, false);
    for (const secret of [keys.httpApiKey2, keys.awsAccessKeys?.split(':')[1]]) {
      expect(welcome).toContain(secret);
      expect(logged).not.toContain(secret);
    }
  });

  it('are not made where every slot is set', async () => {
    const env = { HEARTH_HTTP_API_KEY_1: 'a', HEARTH_HTTP_API_KEY_2: 'b', HEARTH_AWS_ACCESS_KEYS: 'off' };
    const prepared = await withInstallationKeys(
      { HEARTH_DATA_DIR: dataDir, HEARTH_SIGNING_KEY_1_ENCODED: secret, ...env },
      loadOrCreateKeys,
    );

    expect(prepared.generated).toBeUndefined();
    expect(await readdir(dataDir)).toEqual([]);
  });
});
