import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { NatsServerSource } from './find-nats-server';

const run = promisify(execFile);
const withinMs = 120_000;

/**
 * The package of a Linux distribution, downloaded by `apt-get` (which checks its signature) and unpacked.
 *
 * Not installed, although root could: an installed package would start a NATS of its own on port 4222 with the machine,
 * and all that is needed of it is one program. So this asks for no rights and changes nothing on the system.
 *
 * @param release one of Debian's, whose own package may be newer than this system's; without it, the system's package
 */
export function debianPackage(release?: 'trixie'): NatsServerSource {
  const name = release === undefined ? "this system's package" : `the package of Debian ${release}`;
  return {
    name,
    async fetchInto(folder, { log, signal }) {
      if (process.platform !== 'linux') throw new Error('this is not Debian or Ubuntu');
      await Promise.all(['apt-get', 'dpkg'].map((tool) => run(tool, ['--version']).catch(() => throwMissing(tool))));
      log(`fetching nats-server once: ${name}`);
      const options = { cwd: folder, signal, timeout: withinMs };
      const settings = await privateLists(folder, release);
      await run('apt-get', [...settings, 'update'], options).catch(throwItsWords);
      await run('apt-get', [...settings, 'download', 'nats-server'], options).catch(throwItsWords);
      const archive = (await readdir(folder)).find((file) => file.endsWith('.deb'));
      if (archive === undefined) throw new Error('apt-get downloaded nothing');
      await run('dpkg', ['-x', archive, 'unpacked'], options).catch(throwItsWords);
      return findProgram(join(folder, 'unpacked'));
    },
  };
}

/** Options of an impatient apt that keeps its lists in `folder`: the system's may be old, and only root can renew them. */
async function privateLists(folder: string, release: string | undefined): Promise<string[]> {
  const [lists, cache, sources] = [join(folder, 'lists'), join(folder, 'cache'), join(folder, 'sources.list')];
  await mkdir(join(lists, 'partial'), { recursive: true });
  await mkdir(join(cache, 'archives', 'partial'), { recursive: true });
  const settings: Record<string, string | number> = {
    'Dir::State::Lists': lists,
    'Dir::Cache': cache,
    'APT::Sandbox::User': '',
    'Acquire::Languages': 'none',
    'Acquire::Retries': 0,
    'Acquire::http::Timeout': 10,
    'Acquire::https::Timeout': 10,
  };
  if (release !== undefined) {
    const keys = '[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]';
    await writeFile(sources, `deb ${keys} ${await systemsMirror()} ${release} main\n`);
    Object.assign(settings, { 'Dir::Etc::SourceList': sources, 'Dir::Etc::SourceParts': '-' });
  }
  return ['-q', ...Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`])];
}

/** Where this Debian gets its own packages from: the same mirror has those of its other releases. */
async function systemsMirror(): Promise<string> {
  const system = await readFile('/etc/os-release', 'utf8').catch(() => '');
  if (!/^ID="?debian"?$/m.test(system)) throw new Error('this is not Debian');
  const [, codename = ''] = /^VERSION_CODENAME="?(\w+)"?$/m.exec(system) ?? [];
  const { stdout } = await run('apt-get', ['indextargets', '--format', '$(REPO_URI) $(RELEASE) $(COMPONENT)']);
  const sources = stdout.split('\n').map((line) => line.split(' '));
  const [mirror] =
    sources.find(([, release, component]) => release === codename && component === 'main') ??
    sources.find(([, release, component]) => release === 'stable' && component === 'main') ??
    [];
  if (mirror === undefined) throw new Error(`apt has no source for ${codename} main`);
  return mirror;
}

function findProgram(unpacked: string): string {
  const program = ['usr/sbin', 'usr/bin'].map((folder) => join(unpacked, folder, 'nats-server')).find(existsSync);
  if (program === undefined) throw new Error('the package holds no nats-server');
  return program;
}

function throwMissing(tool: string): never {
  throw new Error(`there is no ${tool} here`);
}

/** apt-get says why on its error output, in lines that start with `E:`. */
function throwItsWords(error: unknown): never {
  const { stderr = '', message } = error as Error & { stderr?: string };
  const words = stderr.split('\n').filter((line) => line.startsWith('E:'));
  throw new Error(words.length === 0 ? (message.split('\n')[0] ?? '') : words.join(' '), { cause: error });
}
