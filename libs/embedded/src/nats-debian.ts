import { execFile } from 'node:child_process';
import { mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { NatsServerSource } from './find-nats-server';

const run = promisify(execFile);
const listWithinMs = 120_000;
const downloadWithinMs = 60_000;

/**
 * The package of Debian or Ubuntu, downloaded by `apt-get` (which checks its signature) and unpacked into the cache.
 *
 * Not installed, although root could: an installed package would start a NATS of its own on port 4222 with the machine,
 * and all that is needed of it is one program. So this asks for no rights and changes nothing on the system.
 */
export const debianPackage: NatsServerSource = {
  name: 'Debian package',
  async fetchInto(folder, { log, signal }) {
    if (process.platform !== 'linux') throw new Error('this is not Debian or Ubuntu');
    await Promise.all(['apt-get', 'dpkg'].map((tool) => run(tool, ['--version']).catch(() => throwMissing(tool))));
    log('fetching nats-server once: the package of Debian or Ubuntu');
    const options = { cwd: folder, signal, timeout: downloadWithinMs };
    try {
      await run('apt-get', [...impatient, 'download', 'nats-server'], options);
    } catch {
      // The machine's package lists are missing or old. Only root could renew them, so a private set is made.
      const lists = await privateLists(folder);
      log('fetching the package lists, which takes a moment');
      await run('apt-get', [...impatient, ...lists, 'update'], { ...options, timeout: listWithinMs }).catch(
        throwItsWords,
      );
      await run('apt-get', [...impatient, ...lists, 'download', 'nats-server'], options).catch(throwItsWords);
    }
    const archive = (await readdir(folder)).find((name) => name.endsWith('.deb'));
    if (archive === undefined) throw new Error('apt-get downloaded nothing');
    await run('dpkg', ['-x', archive, 'unpacked'], options).catch(throwItsWords);
    return findProgram(join(folder, 'unpacked'));
  },
};

const impatient = [
  '-q',
  '-o',
  'Acquire::Retries=0',
  '-o',
  'Acquire::http::Timeout=10',
  '-o',
  'Acquire::https::Timeout=10',
];

/** Options that keep apt's lists in `folder`, so that any user can renew them. */
async function privateLists(folder: string): Promise<string[]> {
  const [lists, cache] = [join(folder, 'lists'), join(folder, 'cache')];
  await mkdir(join(lists, 'partial'), { recursive: true });
  await mkdir(join(cache, 'archives', 'partial'), { recursive: true });
  const settings = { 'Dir::State::Lists': lists, 'Dir::Cache': cache, 'APT::Sandbox::User': '' };
  return Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
}

async function findProgram(unpacked: string): Promise<string> {
  for (const folder of ['usr/sbin', 'usr/bin']) {
    const program = join(unpacked, folder, 'nats-server');
    if ((await stat(program).catch(() => undefined)) !== undefined) return program;
  }
  throw new Error('the package holds no nats-server');
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
