import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findNatsServer, type NatsServerSource } from '@hearth/embedded';
import { officialRelease } from '@hearth/embedded';
import { freePort } from '../support/free-port';

const realProgram = process.env.HEARTH_TEST_NATS_SERVER!;
let folder: string;
let cacheDir: string;
let server: Server | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-test-find-'));
  cacheDir = join(folder, 'cache');
});

afterEach(async () => {
  await new Promise((resolve) => (server === undefined ? resolve(null) : server.close(resolve)));
  server = undefined;
  await rm(folder, { recursive: true, force: true });
});

/** A search that sees nothing of this machine, so that only the given sources are left. */
function find(sources: NatsServerSource[], options: { folders?: string[]; program?: string } = {}): Promise<string> {
  return findNatsServer({ cacheDirs: [cacheDir], folders: [], program: '', sources, ...options });
}

/** A program that calls itself a nats-server of that version. */
async function programOfVersion(version: string, name = 'nats-server'): Promise<string> {
  const program = join(folder, name);
  await writeFile(program, `#!/bin/sh\necho "nats-server: v${version}"\n`, { mode: 0o755 });
  return program;
}

const copyOfTheRealOne: NatsServerSource = {
  name: 'a copy',
  async fetchInto(into) {
    await copyFile(realProgram, join(into, 'nats-server'));
    return join(into, 'nats-server');
  },
};

/** Serves an archive made like the official one and gives its address and checksum. */
async function serveRelease(): Promise<{ url: string; sha256: string }> {
  const inside = join(folder, 'nats-server-v0');
  await mkdir(inside);
  await copyFile(realProgram, join(inside, 'nats-server'));
  const archive = join(folder, 'release.tar.gz');
  await promisify(execFile)('tar', ['-czf', archive, '-C', folder, 'nats-server-v0']);
  const bytes = await readFile(archive);
  const port = await freePort();
  server = createServer((_request, response) => response.end(bytes));
  await new Promise<void>((resolve) => server?.listen(port, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${port}/release.tar.gz`, sha256: createHash('sha256').update(bytes).digest('hex') };
}

describe('finding nats-server', () => {
  it('tells what was tried, why it failed and what to do, when none can be had', async () => {
    await programOfVersion('2.8.4');
    const refusing: NatsServerSource = {
      name: 'official release',
      fetchInto: () => Promise.reject(new Error('getaddrinfo ENOTFOUND github.com')),
    };

    const message = await find([refusing], { folders: [folder] }).catch((error: Error) => error.message);

    expect(message).toContain('Hearth needs nats-server 2.9.24 or newer');
    expect(message).toContain(`${join(folder, 'nats-server')} is version 2.8.4, and Hearth needs 2.9.24 or newer`);
    expect(message).toContain('official release: getaddrinfo ENOTFOUND github.com');
    expect(message).toContain('apt-get install nats-server');
    expect(message).toContain('HEARTH_NATS_URL');
    expect(await readdir(cacheDir)).toEqual([]);
  });

  it('takes an installed one and fetches nothing', async () => {
    const program = await programOfVersion('2.9.24');

    expect(await find([], { folders: [join(folder, 'nothing-here'), folder] })).toBe(program);
  });

  it.each(['2.9.23', '2.10.3'])(
    'fetches one where the installed one is %s, whose purge loses messages',
    async (version) => {
      await programOfVersion(version);

      expect(await find([copyOfTheRealOne], { folders: [folder] })).toBe(join(cacheDir, 'nats-server'));
    },
  );

  it('takes the one the user names, or none', async () => {
    const old = await programOfVersion('2.8.0', 'old');
    const recent = await programOfVersion('3.0.0', 'recent');

    expect(await find([copyOfTheRealOne], { program: recent })).toBe(recent);
    await expect(find([copyOfTheRealOne], { program: old })).rejects.toThrow(`HEARTH_NATS_SERVER is ${old}`);
    await expect(find([copyOfTheRealOne], { program: '/nowhere' })).rejects.toThrow('is not there');
  });

  it('fetches it once and finds it in the cache from then on', async () => {
    const fetched = await find([copyOfTheRealOne]);

    expect(fetched).toBe(join(cacheDir, 'nats-server'));
    expect(await find([])).toBe(fetched);
    expect(await readdir(cacheDir)).toEqual(['nats-server']);
  });

  it('lets several starts fetch at once', async () => {
    const found = await Promise.all([1, 2, 3].map(() => find([copyOfTheRealOne])));

    expect(new Set(found)).toEqual(new Set([join(cacheDir, 'nats-server')]));
    expect(await readdir(cacheDir)).toEqual(['nats-server']);
  });

  it('uses the next cache folder where the first cannot be written', async () => {
    await writeFile(cacheDir, 'a file in its place');
    const second = join(folder, 'second');

    const found = await findNatsServer({
      cacheDirs: [cacheDir, second],
      folders: [],
      program: '',
      sources: [copyOfTheRealOne],
    });

    expect(found).toBe(join(second, 'nats-server'));
  });

  it('unpacks a release whose checksum fits', async () => {
    const release = await serveRelease();

    expect(await find([officialRelease(release)])).toBe(join(cacheDir, 'nats-server'));
  });

  it('refuses a release whose checksum does not fit', async () => {
    const { url } = await serveRelease();

    const refused = find([officialRelease({ url, sha256: '0'.repeat(64) })]);

    await expect(refused).rejects.toThrow(`release.tar.gz was refused: its SHA-256 is`);
    expect(await readdir(cacheDir)).toEqual([]);
  });

  it('goes on to the next source when nobody answers', async () => {
    const url = `http://127.0.0.1:${await freePort()}/nats-server.tar.gz`;
    const unreachable = officialRelease({ url, sha256: '0'.repeat(64) });

    expect(await find([unreachable, copyOfTheRealOne])).toBe(join(cacheDir, 'nats-server'));
  });

  it('gives up when the start is given up', async () => {
    const abort = new AbortController();
    abort.abort(new Error('interrupted'));

    const found = findNatsServer({
      cacheDirs: [cacheDir],
      folders: [],
      program: '',
      sources: [copyOfTheRealOne],
      signal: abort.signal,
    });

    await expect(found).rejects.toThrow('interrupted');
  });
});
