import { accessSync, constants, readFileSync } from 'node:fs';
import { chmod, mkdtemp, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { freePort } from '../support/free-port';
import { projectFolder, type ComposeService } from './compose-file';
import { startProgram } from './program';

/** Where the services are, for the variables of the edge. Several addresses: what one name is after `--scale`. */
export interface EdgeTargets {
  readonly publishApi: readonly string[];
  readonly gateway: readonly string[];
  readonly history: readonly string[];
}

/** A running nginx with the configuration of `deploy/edge`. */
export interface Edge {
  readonly port: number;
  readonly httpUrl: string;
  /** Lines of the access log so far. */
  accessLog(): readonly AccessLogLine[];
  /** Everything it wrote: access log, start-up messages, errors. */
  output(): string;
  stop(): Promise<void>;
}

export type AccessLogLine = Readonly<Record<'method' | 'path' | 'client' | 'forwardedFor' | 'upstream', string>> & {
  readonly status: number;
};

const template = join(projectFolder, 'deploy/edge/nginx.conf.template');

/** Path of Debian's (or any) nginx, or undefined. */
export function findNginx(): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];
  return folders.map((folder) => join(folder, 'nginx')).find(isExecutable);
}

/** `describe` where nginx is installed. Where it is not: skipped, but a failure in CI, which has to have it. */
export function describeWithNginx(name: string, tests: () => void): void {
  if (findNginx() !== undefined) return describe(name, tests);
  if (process.env.CI === 'true') {
    return describe(name, () =>
      it('has nginx', () => {
        throw new Error('nginx is not installed: apt-get install nginx-light');
      }),
    );
  }
  process.stderr.write(`Skipped: ${name}. nginx is not installed (apt-get install nginx-light).\n`);
  describe.skip(name, tests);
}

/**
 * Starts the edge as `service` of the compose file says: its command, its environment, its template. What is replaced:
 * the port, the folder it may write to, and the names of the services, which nobody resolves here. Not used here is
 * `resolve`: Debian's nginx is too old for it.
 */
export async function startEdge(service: ComposeService, targets: EdgeTargets): Promise<Edge> {
  const port = await freePort();
  const folder = await mkdtemp(join(tmpdir(), 'hearth-test-edge-'));
  // Started by root, its workers are somebody else.
  await chmod(folder, 0o755);
  const addresses = new Map([
    ['EDGE_PUBLISH_API', targets.publishApi],
    ['EDGE_GATEWAY', targets.gateway],
    ['EDGE_HISTORY', targets.history],
  ]);
  // Of one name nginx makes as many servers as it has addresses.
  const text = readFileSync(template, 'utf8').replace(
    /server \$\{(EDGE_\w+)\}(.*;)/g,
    (whole, name: string, parameters: string) =>
      addresses
        .get(name)
        ?.map((address) => `server ${address}${parameters}`)
        .join(' ') ?? whole,
  );
  const environment = {
    ...service.environment,
    EDGE_LISTEN: `127.0.0.1:${port}`,
  };
  await writeFile(join(folder, 'nginx.conf'), fillIn(text, environment));
  const program = await startProgram({
    program: findNginx() ?? 'nginx',
    args: (service.command ?? []).slice(1).map((word) => (word === '/tmp/' ? `${folder}/` : word)),
    folder,
    ready: () => accepts(port),
  });
  return {
    port,
    httpUrl: `http://127.0.0.1:${port}`,
    accessLog: () =>
      program
        .stdout()
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as AccessLogLine),
    output: () => program.output(),
    stop: () => program.stop(),
  };
}

/** What the image's start script does with a template (`envsubst` with `NGINX_ENVSUBST_FILTER`). */
function fillIn(text: string, environment: Readonly<Record<string, string>>): string {
  const filter = new RegExp(environment.NGINX_ENVSUBST_FILTER ?? '');
  const names = Object.keys(environment).filter((name) => filter.test(name));
  return text.replace(/\$\{(\w+)\}|\$(\w+)/g, (whole, inBraces?: string, bare?: string) => {
    const name = inBraces ?? bare ?? '';
    return names.includes(name) ? (environment[name] ?? '') : whole;
  });
}

function accepts(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve();
    });
    socket.once('error', reject);
  });
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
