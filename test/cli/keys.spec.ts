import { failure, hearth } from './hearth-command';

async function made(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await hearth(['keys', ...args]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout;
}

describe('hearth keys', () => {
  it('makes API keys and access keys, new ones every time', async () => {
    const apiKeys = [await made('api-key'), JSON.parse(await made('api-key', '--json')).apiKey];
    expect(apiKeys[0]).toMatch(/^[A-Za-z0-9]{40}\n$/);
    expect(apiKeys[1]).toMatch(/^[A-Za-z0-9]{40}$/);
    expect(apiKeys[0]!.trim()).not.toBe(apiKeys[1]);
    expect(await made('access-key')).toMatch(/^AKIA[A-Z2-7]{16}:[A-Za-z0-9]{40}\n$/);
    expect(JSON.parse(await made('access-key', '--json'))).toEqual({
      accessKeyId: expect.stringMatching(/^AKIA[A-Z2-7]{16}$/),
      secretAccessKey: expect.stringMatching(/^[A-Za-z0-9]{40}$/),
    });
  });

  it.each('HS256 RS256 PS512 ES256 ES512 EdDSA'.split(' '))(
    'makes an %s signing key whose two halves fit',
    async (algorithm) => {
      const text = await made('signing-key', '--algorithm', algorithm, '--kid', 'k1', '--json');
      const { privateKey, encoded, ...rest } = JSON.parse(text);
      expect(rest).toEqual({ algorithm, kid: 'k1' });
      const env = {
        HEARTH_SIGNING_KEY_1_METHOD: algorithm,
        HEARTH_SIGNING_KEY_1_ID: 'k1',
        HEARTH_SIGNING_KEY_1_ENCODED: encoded,
      };
      const flags = ['--key', privateKey, '--algorithm', algorithm, '--kid', 'k1'];
      const { stdout: token } = await hearth(['token', ...flags]);
      expect(await hearth(['token', 'check', token.trim()], { env })).toMatchObject({ code: 0 });
    },
  );

  it('prints a signing key as settings of the server and a private key', async () => {
    expect(await made('signing-key')).toMatch(
      /^# The server:\nHEARTH_SIGNING_KEY_1_METHOD=ES256\nHEARTH_SIGNING_KEY_1_ENCODED=[\w+/]+=*\n\n# Your backend.*\n-----BEGIN PRIVATE KEY-----\n[^]+\n-----END PRIVATE KEY-----\n$/,
    );
  });

  it.each([
    ['an unknown kind of key', ['wrong'], "error: unknown command 'wrong'"],
    [
      'an unknown algorithm',
      ['signing-key', '--algorithm', 'none'],
      "error: option '--algorithm <name>' argument 'none'",
    ],
    ['no kind of key', [], 'Usage: hearth keys'],
  ])('is used wrongly with %s: exit code 2', async (_, args, line) => {
    expect(await hearth(['keys', ...args])).toEqual(failure(2, line));
  });
});

describe('hearth', () => {
  const commands = ['', 'token', 'token check', 'publish', 'subscribe', 'keys', 'keys api-key', 'keys signing-key'];
  it.each(commands)('explains itself: hearth %s --help', async (command) => {
    const { code, stdout, stderr } = await hearth([...command.split(' ').filter(Boolean), '--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain(`Usage: hearth ${command}`.trim());
  });

  it.each(commands.slice(1, 6))('shows examples: hearth %s --help', async (command) => {
    expect((await hearth([...command.split(' '), '--help'])).stdout).toContain('\nExamples:\n  ');
  });

  it('tells its version', async () => {
    expect(await hearth(['--version'])).toEqual({
      code: 0,
      stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
      stderr: '',
    });
  });

  it.each([
    ['nothing', [], 'Usage: hearth'],
    ['an unknown command', ['frobnicate'], "error: unknown command 'frobnicate'"],
  ])('is used wrongly with %s: exit code 2', async (_, args, line) => {
    expect(await hearth(args)).toEqual(failure(2, line));
  });
});
