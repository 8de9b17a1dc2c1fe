import { execFile, spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { eventually } from '../support/eventually';
import { freePort } from '../support/free-port';
import { signToken } from '../support/tokens';
import { connect, type WsClient } from '../support/ws-client';
import { type Block, blocks, pages, wayOf, ways } from './documents';
import { Installation } from './hearth-process';

/**
 * Every block of code of every document is executed, with one Hearth; what cannot be says why, or which test does it
 * (`documents.ts`). Addresses, and names of things that must be there, are those of this Hearth.
 */
const root = join(__dirname, '../..');
const run = promisify(execFile);
const WEBHOOK_SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const installation = new Installation();
let folder: string;
let env: Record<string, string>;
let programEnv: Record<string, string>;
let here: (text: string) => string;
let reader: WsClient;

const isRun = (block: Block): boolean => wayOf(block)?.instead === undefined;
const programs = blocks.filter((block) => ['js', 'ts', 'tsx'].includes(block.language) && isRun(block));
const commands = blocks.filter((block) => block.language === 'sh' && isRun(block));
const nameOf = (block: Block): string => `${block.page}: ${block.text.split('\n')[0]}`;

/** The whole program of a block: what the page has said before, and what it takes for granted. */
function programOf(block: Block): string {
  const { before = '', after = '' } = wayOf(block) ?? {};
  const earlier = block.before.map(({ text }) => text).join('\n');
  const prelude =
    block.before.length === 0 ? before : (wayOf(block)?.before ?? wayOf(block.before[0] as Block)?.before ?? '');
  return `${prelude}\n${earlier}\n${block.text}\n${after}\nexport {};\n`;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-documents-'));
  await startHearth();
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
  await mkdir(join(folder, 'programs'));
  for (const [index, block] of programs.entries()) {
    await writeFile(join(folder, 'programs', `${index}.${block.language}`), here(programOf(block)));
  }
  const alias = {
    '@hearth/client': join(root, 'libs/client/src/index.ts'),
    '@hearth/client/react': join(root, 'libs/client/src/react.ts'),
    '@hearth/client/test': join(root, 'libs/client/src/test.ts'),
    '@hearth/server-sdk': join(root, 'libs/server-sdk/src/index.ts'),
  };
  const options = {
    entryPoints: programs.map(({ language }, index) => join(folder, 'programs', `${index}.${language}`)),
    ...{ bundle: true, platform: 'node', format: 'esm', target: 'es2022', jsx: 'automatic', alias },
    ...{ outdir: join(folder, 'built'), outExtension: { '.js': '.mjs' } },
    external: ['@aws-sdk/*', 'react', 'react-dom'],
  };
  await run(process.execPath, ['-e', `require('esbuild').buildSync(${JSON.stringify(options)})`], { cwd: root });
});
afterAll(async () => {
  await reader?.close();
  await installation.remove();
  await rm(folder, { recursive: true, force: true });
});

/** Starts it, with what the documents speak of: a message, a schedule, a revocation, a connection. */
async function startHearth(): Promise<void> {
  const port = await freePort();
  await installation.start({ HEARTH_PORT: String(port) });
  const url = `http://localhost:${port}`;
  const adminUrl = await installation.adminUrl();
  const keys = JSON.parse(readFileSync(join(installation.dataDir, 'keys.json'), 'utf8'));
  const secret = Buffer.from(keys.signingKey.encoded, 'base64');
  const everything = { subscribe: true, historyStart: 0, messages: { '*': { publish: true, echo: true, store: 600 } } };
  const storage = { '*': { observe: true, get: true, set: true, store: 600 } };
  const sign = (claims: object): string => signToken({ scope: 'connect', ...claims }, { secret });
  const token = sign({ uid: 'you', channels: { '*': { ...everything, storage } } });
  reader = await connect(`ws://localhost:${port}/v1`, sign({ uid: 'u9', channels: { c1: { subscribe: true } } }));
  const { connectionId } = (await reader.connected()).data;
  const ask = async (path: string, body: object) => {
    const headers = { authorization: `Bearer ${keys.httpApiKey1}` };
    const answer = await fetch(`${url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
    return (await answer.json()) as { id: string };
  };
  const message = { channel: 'c1', event: 'e', store: 600, eagerIdGeneration: true };
  const later = { ...message, eagerIdGeneration: undefined, scheduleExpression: 'at(2099-01-01T00:00:00)' };
  const [{ id }, delivered, scheduled, revoked] = [
    await ask('/publish', message),
    await ask('/publish', { ...message, channel: 'room.1' }),
    await ask('/publish', later),
    await ask('/revocations', { jti: 'somebody' }),
  ];
  const scheduleId = JSON.stringify(scheduled).match(/[0-9A-HJKMNP-TV-Z]{26}/)?.[0] ?? '';
  const [accessKeyId = '', secretAccessKey = ''] = String(keys.awsAccessKeys).split(':');
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
  await writeFile(
    join(folder, '.env'),
    `HEARTH_HTTP_API_KEY_1=${keys.httpApiKey1}\nHEARTH_SIGNING_KEY_1_ENCODED=${keys.signingKey.encoded}\n`,
  );
  await writeFile(join(folder, 'web-socket.cjs'), `globalThis.WebSocket ??= require('ws');`);
  here = (text) =>
    text
      .replaceAll(/(http|ws)s?:\/\/(localhost:8080|(hearth|west)\.example\.com)/g, `$1://localhost:${port}`)
      .replaceAll('./.hearth', installation.dataDir)
      .replaceAll('TOKEN', (match, at: number) => (/[.\w]$/.test(text.slice(0, at)) ? match : token))
      .replace('room.1/messages/01J9ZK3V7Q8W2X5Y6ABCDEFGHJ', `room.1/messages/${delivered.id}`)
      .replaceAll('01J9ZK3V7Q8W2X5Y6ABCDEFGHJ', id)
      .replaceAll('01J9ZK3V7Q8W2X5Y6ABCDEFGHK', scheduleId)
      .replaceAll('01J9…', revoked.id)
      .replaceAll('q83vAAAAAAAAAA8=', connectionId as string)
      .replaceAll('listen(3000)', 'listen(0)')
      .replaceAll("'Publish'", "'Hearth-PublishFunction'")
      .replaceAll(
        'arn:aws:lambda:us-east-1:111111111111:function:Hotsock-PublishFunction-AAABBBCCCDDD',
        'Hearth-PublishFunction',
      );
  env = {
    ...{ PATH: process.env.PATH ?? '', HOME: folder, TOKEN: token, HEARTH_DATA_DIR: installation.dataDir },
    ...{ HEARTH_PORT: String(port), HEARTH_ADMIN_PORT: new URL(adminUrl).port },
    // Node.js 20 has none.
    WEB_SOCKET: join(folder, 'web-socket.cjs'),
    API_KEY: keys.httpApiKey1,
  };
  // What the programs of an application are told; our own command has no use for it.
  programEnv = {
    ...{ AWS_REGION: 'us-east-1', AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey },
    ...{ HEARTH_AWS_ACCESS_KEY_ID: accessKeyId, HEARTH_AWS_SECRET_ACCESS_KEY: secretAccessKey },
    ...{ HTTP_API_KEY: keys.httpApiKey1, HEARTH_HTTP_API_KEY: keys.httpApiKey1 },
    ...{ HEARTH_HTTP_API_KEY_1: keys.httpApiKey1, TOKEN_SECRET: keys.signingKey.encoded },
    ...{ ISSUER_PRIVATE_KEY: pem, HEARTH_ISSUER_PRIVATE_KEY: pem, HEARTH_WEBHOOK_SECRETS: WEBHOOK_SECRET },
  };
}

/** Runs something to its end, which has to be a good one, or until it has said something. */
async function execute(command: string, args: readonly string[], until?: RegExp, more = {}): Promise<void> {
  const child = spawn(command, args, { cwd: folder, env: { ...env, ...more }, detached: true });
  let output = '';
  let code: number | null | undefined;
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => (output += chunk.toString('utf8')));
  }
  child.stdin.end();
  const ended = new Promise((resolve) => child.once('close', (status) => resolve((code = status))));
  try {
    if (until === undefined) await ended;
    else await eventually(() => expect(output).toMatch(until));
    if (until === undefined) expect([code, output]).toEqual([0, output]);
  } finally {
    if (code === undefined) process.kill(-(child.pid ?? 0), 'SIGKILL');
    await ended;
  }
}

/** A refusal is a failure; `hearth` is the one that was built, and whoever would listen for ever does so for one frame. */
const SHELL = `set -eu
curl() { command curl --fail-with-body --silent --show-error "$@"; echo; }
hearth() { node ${join(root, 'dist/apps/cli/src/main.js')} "$@"; }
npx() {
  case $1 in
    hearth) shift; hearth "$@" ;;
    wscat) node -r "$WEB_SOCKET" -e 'new WebSocket(process.argv[1]).onmessage = ({ data }) => { console.log(data); process.exit(); }' "$3" ;;
  esac
}
`;

it('knows how each block is run, and of no block that is not there', () => {
  const unknown = blocks.filter(({ language }) => !/^(js|ts|tsx|sh|json|yaml|python|mermaid)$/.test(language));
  expect(unknown.map(nameOf)).toEqual([]);
  const counts = ways.map((way) => [way.page, way.has, blocks.filter((block) => wayOf(block) === way).length]);
  expect(counts.filter(([, , count]) => count !== 1)).toEqual([]);
  expect(pages.length).toBeGreaterThan(20);
});

it.each(blocks.filter(({ language }) => language === 'json' || language === 'yaml').map((one) => [nameOf(one), one]))(
  '%s is well formed',
  (_, { language, text }) => {
    const lines = text.trim().split('\n');
    // Frames stand one in a line.
    const isFrames = language === 'json' && lines.every((line) => line.startsWith('{"event"'));
    if (language === 'yaml') expect(parse(text, { logLevel: 'error' })).toBeDefined();
    else expect((isFrames ? lines : [text]).map((one) => JSON.parse(one) as unknown)).toBeDefined();
  },
);

it('has TypeScript that compiles', async () => {
  const others = blocks.filter((block) => /^(ts|tsx|typescript)$/.test(block.language) && !isRun(block));
  expect(others.map(nameOf)).toEqual([]);
  const options = {
    extends: join(root, 'tsconfig.json'),
    compilerOptions: {
      ...{ noEmit: true, rootDir: '/', baseUrl: root, jsx: 'preserve', noImplicitAny: false },
      ...{
        types: ['node'],
        typeRoots: [join(root, 'node_modules/@types')],
        module: 'esnext',
        moduleResolution: 'bundler',
      },
      paths: {
        '@hearth/client': [join(root, 'libs/client/src/index.ts')],
        '@hearth/client/*': [join(root, 'libs/client/src/*')],
        '@hearth/server-sdk': [join(root, 'libs/server-sdk/src/index.ts')],
      },
    },
    include: [join(folder, 'programs/*'), join(root, 'libs/client/src/*.d.ts'), join(folder, 'page.d.ts')],
  };
  await writeFile(
    join(folder, 'page.d.ts'),
    'declare namespace JSX { interface IntrinsicElements { [name: string]: any } }\n',
  );
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(options));
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const { stdout } = await run(process.execPath, [tsc, '-p', folder]).catch(
    (error: unknown) => error as { stdout: string },
  );
  expect(stdout).toBe('');
});

it.each(programs.map((block, index) => [nameOf(block), block, index] as const))('%s', async (_, block, index) => {
  await execute(
    process.execPath,
    ['-r', join(folder, 'web-socket.cjs'), join(folder, 'built', `${index}.mjs`)],
    wayOf(block)?.until,
    programEnv,
  );
});

it.each(commands.map((block) => [nameOf(block), block] as const))('%s', async (_, block) => {
  const { until } = wayOf(block) ?? {};
  const text = here(block.text).trim();
  const script = until === undefined ? text : `${text.replaceAll('\n', ' &\n')}`;
  await execute('bash', ['-c', `${SHELL}${script}`], until);
});
