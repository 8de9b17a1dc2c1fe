import { transformFileSync } from '@swc/core';
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { copyFile, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Webhook } from 'standardwebhooks';
import { Installation } from '../start/hearth-process';
import { eventually } from '../support/eventually';
import { freePort } from '../support/free-port';
import { connect } from '../support/ws-client';

const root = join(__dirname, '../..');
const examples = join(root, 'examples/server');
const WEBHOOK_SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;

const installation = new Installation();
let env: Record<string, string>;
let project: string;
let child: ChildProcess | undefined;

beforeAll(async () => {
  const port = await freePort();
  await installation.start({ HEARTH_PORT: String(port) });
  const { signingKey, httpApiKey1 } = JSON.parse(readFileSync(join(installation.dataDir, 'keys.json'), 'utf8')) as {
    signingKey: { encoded: string };
    httpApiKey1: string;
  };
  env = {
    HEARTH_URL: `http://127.0.0.1:${port}`,
    HEARTH_API_KEY: httpApiKey1,
    HEARTH_SIGNING_SECRET: signingKey.encoded,
    HEARTH_WEBHOOK_SECRETS: WEBHOOK_SECRET,
  };
});
beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), 'hearth-test-servers-'));
  execFileSync(process.execPath, [
    join(root, 'scripts/build-server-sdk.mjs'),
    join(project, 'node_modules/@hearth/server-sdk'),
  ]);
  for (const name of ['express', 'hono'])
    await symlink(join(root, 'node_modules', name), join(project, 'node_modules', name));
  for (const name of ['express.mjs', 'hono.mjs']) await copyFile(join(examples, name), join(project, name));
  const compiled = transformFileSync(join(examples, 'next-route.ts'), {
    swcrc: false,
    jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
    module: { type: 'commonjs' },
  });
  await writeFile(join(project, 'next-route.js'), compiled.code);
  await writeFile(join(project, 'serve.cjs'), SERVE);
  await writeFile(join(project, 'run-hono.mjs'), RUN_HONO);
  await writeFile(join(project, 'run-next.cjs'), RUN_NEXT);
});
afterEach(() => void child?.kill('SIGKILL'));
afterAll(async () => {
  await installation.remove();
  await rm(project, { recursive: true, force: true });
});

/** A program that listens, and what it has written. */
interface Running {
  readonly url: string;
  readonly output: () => string;
}

/** Starts an example: in a project that has our library and its framework, or, for TypeScript, in this repository. */
async function start(file: string): Promise<Running> {
  const isTypeScript = file.endsWith('.ts');
  const command = isTypeScript
    ? ['-r', join(root, 'test/support/typescript-hook.cjs'), join(examples, file)]
    : [join(project, RUNNERS[file] ?? file)];
  const program = spawn(process.execPath, command, {
    cwd: isTypeScript ? root : project,
    env: { PATH: process.env.PATH, ...env, PORT: '0' },
  });
  child = program;
  let output = '';
  for (const stream of [program.stdout, program.stderr]) {
    stream.on('data', (chunk: Buffer) => (output += chunk.toString('utf8')));
  }
  const [, port] = await eventually(() => {
    const match = /listening on (\d+)/.exec(output);
    if (match === null) throw new Error(output);
    return match;
  });
  return { url: `http://127.0.0.1:${port}`, output: () => output };
}

/** What a server of the web does with a handler of its requests. */
const SERVE = `
const { createServer } = require('node:http');
exports.serve = (handle) => {
  const server = createServer(async (incoming, outgoing) => {
    const chunks = [];
    for await (const chunk of incoming) chunks.push(chunk);
    const { method, headers, url } = incoming;
    const answer = await handle(new Request('http://localhost' + url, { method, headers, body: Buffer.concat(chunks) }));
    outgoing.writeHead(answer.status, Object.fromEntries(answer.headers)).end(await answer.text());
  });
  server.listen(0, '127.0.0.1', () => console.log('listening on', server.address().port));
};`;

/** Who runs what does not run by itself. */
const RUNNERS: Readonly<Record<string, string>> = { 'hono.mjs': 'run-hono.mjs', 'next-route.js': 'run-next.cjs' };
const RUN_HONO = `
import app from './hono.mjs';
import { serve } from './serve.cjs';
serve((request) => app.fetch(request));`;
const RUN_NEXT = `
const { POST } = require('./next-route.js');
const { serve } = require('./serve.cjs');
const actions = { '/hearth/token': 'token', '/hearth/webhook': 'webhook', '/messages': 'message' };
serve((request) => POST(request, { params: Promise.resolve({ action: actions[new URL(request.url).pathname] }) }));`;

async function works({ url, output }: Running): Promise<void> {
  const answer = await fetch(`${url}/hearth/token`, { method: 'POST', headers: { 'x-user': 'Zoe' } });
  const { token } = (await answer.json()) as { token: string };
  const client = await connect(`${env.HEARTH_URL?.replace('http', 'ws')}/v1`, token);
  expect((await client.connected()).meta.uid).toBe('Zoe');
  await client.next('hotsock.subscribed');
  const headers = { 'content-type': 'application/json' };
  const sent = await fetch(`${url}/messages`, { method: 'POST', headers, body: '{"text":"hello"}' });
  expect(sent.status).toBe(202);
  expect(await client.next('chat')).toMatchObject({ channel: 'room', data: { text: 'hello' } });
  await client.close();

  const body = '{"type":"hotsock.connected","data":{}}';
  const now = new Date();
  const signed = {
    ...headers,
    'webhook-id': 'e1',
    'webhook-timestamp': String(Math.floor(now.getTime() / 1_000)),
    'webhook-signature': new Webhook(WEBHOOK_SECRET).sign('e1', now, body),
  };
  const webhook = (text: string) => fetch(`${url}/hearth/webhook`, { method: 'POST', headers: signed, body: text });
  expect((await webhook(body)).status).toBe(204);
  await eventually(() => expect(output()).toContain('hearth says hotsock.connected'));
  expect((await webhook(body.replace('{}', '{"x":1}'))).status).toBe(400);
}

describe('the example for', () => {
  it.each(['express.mjs', 'hono.mjs', 'next-route.js', 'nest.ts'])(
    '%s gives tokens, publishes and takes webhooks',
    async (file) => {
      await works(await start(file));
    },
  );

  it('each has fewer than 60 lines and a row in the README', () => {
    const readme = readFileSync(join(examples, 'README.md'), 'utf8');
    for (const file of readdirSync(examples).filter((name) => name !== 'README.md')) {
      expect([file, readFileSync(join(examples, file), 'utf8').trimEnd().split('\n').length < 60]).toEqual([
        file,
        true,
      ]);
      expect(readme).toContain(`](${file})`);
    }
  });
});
