import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadOrCreateKeys } from '../../apps/hearth/src/embedded/keys';

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
