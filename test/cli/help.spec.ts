import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { hearth } from './hearth-command';

/** What bash offers behind `words`, the last of which is not finished. */
async function offered(...words: string[]): Promise<string[]> {
  const { stdout: script } = await hearth(['completion', 'bash']);
  const quoted = words.map((word) => `'${word}'`).join(' ');
  const asked = `COMP_WORDS=(hearth ${quoted}); COMP_CWORD=${words.length}; _hearth; echo "\${COMPREPLY[@]}"`;
  const { stdout } = await promisify(execFile)('bash', ['-c', `${script}\n${asked}`]);
  return stdout.trim().split(' ');
}

describe('hearth help', () => {
  it('shows all commands, or one', async () => {
    const all = await hearth(['help']);
    expect(all).toMatchObject({ code: 0, stderr: '' });
    for (const name of ['token', 'publish', 'subscribe', 'keys', 'doctor', 'completion', 'help']) {
      expect(all.stdout).toMatch(new RegExp(`^ {2}${name}\\b`, 'm'));
    }
    expect((await hearth(['help', 'publish'])).stdout).toMatch(/^Usage: hearth publish /);
    expect(await hearth(['help', 'bogus'])).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining("unknown command 'bogus'"),
    });
  });
});

describe('hearth completion', () => {
  it('makes bash offer commands and flags', async () => {
    expect(await offered('')).toEqual(expect.arrayContaining(['token', 'publish', 'doctor']));
    expect(await offered('tok')).toEqual(['token']);
    expect(await offered('token', 'ch')).toEqual(['check']);
    expect(await offered('publish', 'my-channel', '--sto')).toEqual(['--store']);
  });

  it.each(['zsh', 'fish'])('knows %s', async (shell) => {
    const { code, stdout } = await hearth(['completion', shell]);
    expect(code).toBe(0);
    expect(stdout).toContain('publish');
  });

  it('names the shells that it knows', async () => {
    expect(await hearth(['completion', 'tcsh'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('bash, zsh, fish'),
    });
  });
});

describe('hearth doctor', () => {
  it('says where it looked when there is nothing', async () => {
    const env = { HEARTH_DATA_DIR: '/nonexistent', HEARTH_PORT: '1', HEARTH_ADMIN_PORT: '2' };
    const { code, stdout } = await hearth(['doctor'], { env });
    expect(code).toBe(1);
    expect(stdout).toMatch(
      /^PROBLEM readiness +nothing answers at http:\/\/127\.0\.0\.1:2\/readyz\. .*HEARTH_ADMIN_PORT/m,
    );
    expect(stdout).toMatch(/^PROBLEM public port +nothing answers at http:\/\/localhost:1\/publish/m);
    expect(stdout).toMatch(/^PROBLEM NATS +none was ever started in \/nonexistent/m);
    expect(stdout).toMatch(/^warning keys +no signing key/m);
  });

  it('names a server that does not answer, without its password', async () => {
    const env = {
      HEARTH_NATS_URL: 'nats://hearth:PLANTED@127.0.0.1:1',
      HEARTH_DATABASE_URL: 'postgres://hearth:PLANTED@127.0.0.1:1/x',
    };
    const { code, stdout, stderr } = await hearth(['doctor', '--json'], { env });
    expect(code).toBe(1);
    const problems = (JSON.parse(stdout) as { state: string; text: string }[]).filter(
      ({ state }) => state === 'problem',
    );
    expect(problems.map(({ text }) => text).join('\n')).toMatch(
      /NATS at 127\.0\.0\.1:1 \(HEARTH_NATS_URL\): CONNECTION_REFUSED\n.*ECONNREFUSED 127\.0\.0\.1:1/,
    );
    expect(stdout + stderr).not.toContain('PLANTED');
  });
});

describe('hearth publish', () => {
  it('says what an installation warns of, of another version perhaps', async () => {
    const other = createServer((_request, response) => {
      response.writeHead(202, { 'hearth-warning': 'unknown-field;name="stor"' }).end('{"channel":"a","event":"e"}');
    });
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    try {
      const url = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
      expect(await hearth(['publish', 'a', 'e', '--url', url, '--api-key', 'key'])).toEqual({
        ...{ code: 0, stdout: 'Published e to a\n', stderr: 'warning: unknown-field;name="stor"\n' },
      });
    } finally {
      other.close();
    }
  });
});
