import { execFile } from 'node:child_process';
import { readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { VERSION } from '@hearth/server-sdk';
import { PackedProject } from '../support/packed-project';
import { answer, LocalServer } from './local-server';

const root = join(__dirname, '../..');
const run = promisify(execFile);
let project: PackedProject;
let server: LocalServer;

beforeAll(async () => {
  server = await LocalServer.start();
  project = await PackedProject.with('server-sdk', VERSION);
});

afterAll(async () => {
  await server?.stop();
  await project?.remove();
});

const runProgram = (...args: Parameters<PackedProject['run']>) => project.run(...args);
const installed = (...path: string[]) => project.installed(...path);

const NAMES = [
  'ApiError',
  'ArgumentError',
  'Config',
  'ConfigurationError',
  'Issuer',
  'PublishError',
  'Publisher',
  'ServerApi',
  'VERSION',
  'WebhookVerificationError',
  'configure',
  'issueToken',
  'publishBatch',
  'publishMessage',
  'verifyWebhook',
];

describe('the package', () => {
  it('brings nothing along', async () => {
    const modules = (await readdir(installed())).filter((name) => !name.startsWith('.'));
    expect(modules).toEqual(['@hearth']);
    expect(await readdir(installed('@hearth'))).toEqual(['server-sdk']);
  });

  it('has the version that the library tells, a licence and a README', async () => {
    const { name, version, license, dependencies } = JSON.parse(
      await readFile(installed('@hearth/server-sdk/package.json'), 'utf8'),
    );
    expect({ name, version, license, dependencies }).toEqual({
      name: '@hearth/server-sdk',
      version: VERSION,
      license: 'MIT',
      dependencies: undefined,
    });
    const files = await readdir(installed('@hearth/server-sdk'));
    expect(files.sort()).toEqual(['LICENSE', 'README.md', 'index.d.mts', 'index.mjs', 'lib', 'package.json']);
  });

  it('holds no tests and no alias of this repository', async () => {
    const files = await readdir(installed('@hearth/server-sdk/lib'), { recursive: true, withFileTypes: true });
    const names = files.filter((file) => file.isFile()).map((file) => join(file.parentPath, file.name));
    expect(names.length).toBeGreaterThan(20);
    expect(names.filter((name) => name.includes('.spec.'))).toEqual([]);
    for (const name of names) expect(await readFile(name, 'utf8')).not.toMatch(/@hearth\/(?!server-sdk)/);
  });

  it('works from ES modules', async () => {
    const program = `
      import * as sdk from '@hearth/server-sdk';
      console.log(JSON.stringify(Object.keys(sdk)));`;
    expect(await runProgram('names.mjs', program)).toEqual(NAMES);
  });

  it('works from CommonJS', async () => {
    const program = `
      const sdk = require('@hearth/server-sdk');
      console.log(JSON.stringify(Object.keys(sdk)));`;
    expect((await runProgram('names.cjs', program)) as string[]).toEqual(expect.arrayContaining(NAMES));
  });

  it('is one library in a process that uses both', async () => {
    const program = `
      import { createRequire } from 'node:module';
      import * as esm from '@hearth/server-sdk';
      const cjs = createRequire(import.meta.url)('@hearth/server-sdk');
      cjs.configure({ issuerPrivateKey: 's', issuerKeyAlgorithm: 'HS256', issuerIssClaim: 'me' });
      const [, claims] = esm.issueToken({ uid: 'u' }).split('.');
      console.log(JSON.stringify([NAMES.every((name) => esm[name] === cjs[name]), atob(claims)]));`;
    const text = program.replace('NAMES', JSON.stringify(NAMES));
    expect(await runProgram('both.mjs', text)).toEqual([true, '{"iss":"me","uid":"u"}']);
  });

  it('publishes by both transports', async () => {
    server.does(answer(200, { channel: 'c', event: 'e' }), answer(202, { channel: 'c', event: 'e' }));
    const program = `
      import { Publisher } from '@hearth/server-sdk';
      const url = process.env.SERVER;
      const results = [];
      for (const config of [
        { publishFunctionArn: 'P', awsRegion: 'r', awsAccessKeyId: 'a', awsSecretAccessKey: 's', lambdaEndpoint: url },
        { publishHttpApiUrl: url + '/publish', httpApiKey: 'k' },
      ]) {
        const result = await new Publisher(config).publishMessage({ channel: 'c', event: 'e' });
        results.push([result.statusCode, result.json()]);
      }
      console.log(JSON.stringify(results));`;
    const json = { channel: 'c', event: 'e' };
    expect(await runProgram('publish.mjs', program, { SERVER: server.url })).toEqual([
      [200, json],
      [202, json],
    ]);
  });
});

/** The bundler is there when the client library's packages are. */
// A script, or the native program once its package was installed with scripts.
const bundler = join(root, 'node_modules/esbuild/bin/esbuild');

describe('a bundler', () => {
  it.each([
    ['esm', 'mjs', "import { Issuer, verifyWebhook } from '@hearth/server-sdk';"],
    ['cjs', 'cjs', "const { Issuer, verifyWebhook } = require('@hearth/server-sdk');"],
  ])('makes one file of it, as %s', async (format, extension, head) => {
    const program = `${head}
      const token = new Issuer({ issuerPrivateKey: 's', issuerKeyAlgorithm: 'HS256' }).issueToken({ uid: 'u' });
      console.log(JSON.stringify([typeof verifyWebhook, token.split('.').length]));`;
    await writeFile(project.path(`bundled.${extension}`), program);
    const bundle = join(project.folder, `bundle.${extension}`);
    const options = ['--bundle', '--platform=node', `--format=${format}`, '--log-level=error', `--outfile=${bundle}`];
    // Of what is not installed and not always needed.
    const shim =
      format === 'esm'
        ? [`--banner:js=import{createRequire}from'node:module';const require=createRequire(import.meta.url);`]
        : [];
    await run(bundler, [`bundled.${extension}`, ...options, ...shim], { cwd: project.path() });
    const { stdout } = await run(process.execPath, [bundle], { cwd: tmpdir() });
    expect(JSON.parse(stdout)).toEqual(['function', 3]);
  });
});

describe('the AWS SDK', () => {
  const program = `
    import { Publisher } from '@hearth/server-sdk';
    const config = { publishFunctionArn: 'P', awsRegion: 'us-east-1', lambdaEndpoint: process.env.SERVER };
    const outcomes = [];
    for (const more of [{}, { awsAccessKeyId: 'a', awsSecretAccessKey: 's', awsAssumeRoleArn: 'arn:aws:iam::1:role/r' }]) {
      const publisher = new Publisher({ ...config, ...more });
      const attempt = () => publisher.publishMessage({ channel: 'c', event: 'e' });
      outcomes.push(await Promise.all([attempt(), attempt()]).then(() => 'published', ({ name, message }) => name + ': ' + message));
    }
    console.log(JSON.stringify(outcomes));`;
  // What the SDK looks at by itself, so that it finds what is here and nothing of this machine.
  const env = () => ({
    SERVER: server.url,
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_CONFIG_FILE: join(project.folder, 'config'),
    AWS_SHARED_CREDENTIALS_FILE: join(project.folder, 'credentials'),
    AWS_ENDPOINT_URL_STS: server.url,
  });
  beforeEach(() => server.does(answer(200, { channel: 'c', event: 'e' })));

  it('is named where it is not installed and would be needed', async () => {
    const [noCredentials, noRole] = (await runProgram('sdk.mjs', program, env())) as string[];
    expect(noCredentials).toMatch(
      /^ConfigurationError: awsAccessKeyId and awsSecretAccessKey are needed, .*client-lambda/,
    );
    expect(noRole).toMatch(/^ConfigurationError: awsAssumeRoleArn needs the package @aws-sdk\/client-sts/);
  });

  describe('where it is installed', () => {
    beforeAll(() => symlink(join(root, 'node_modules/@aws-sdk'), installed('@aws-sdk')));
    afterAll(() => rm(installed('@aws-sdk')));

    it('gives the credentials that it finds', async () => {
      const profile = '[default]\naws_access_key_id = AKIAPROFILE\naws_secret_access_key = secret\n';
      await writeFile(join(project.folder, 'credentials'), profile);
      const [outcome] = (await runProgram('sdk.mjs', program, env())) as string[];
      expect(outcome).toBe('published');
      expect(server.requests[0]!.headers.authorization).toContain('Credential=AKIAPROFILE/');
    });

    it('finding none is a matter of configuration', async () => {
      await rm(join(project.folder, 'credentials'), { force: true });
      const [outcome] = (await runProgram('sdk.mjs', program, env())) as string[];
      expect(outcome).toBe('ConfigurationError: awsAccessKeyId is not set, and the AWS SDK found no credentials');
    });
  });
});

/** Uses every export and every type, and proves with `@ts-expect-error` that wrong ones are noticed. */
const TYPED = `
  import {
    ApiError, ArgumentError, Config, configure, ConfigurationError, Issuer, issueToken, publishBatch, Publisher, PublishError,
    publishMessage, ServerApi, VERSION, verifyWebhook, WebhookVerificationError,
    type ChannelClaims, type Claims, type ConfigOptions, type JsonValue, type MessageClaims, type PublishInput,
    type PublishResponse, type PublishResult, type SigningAlgorithm, type StorageClaims, type TransportName,
    type BackendEvent, type Connection, type MessageInput, type Shape,
  } from '@hearth/server-sdk';

  configure((config: Config) => {
    config.awsRegion = 'us-east-1';
    config.issuerAudClaim = ['a', 'b'];
  });
  configure({ issuerKeyAlgorithm: 'EdDSA', transport: 'http' });
  const options: ConfigOptions = { timeoutMs: 1, awsSessionToken: undefined };
  const messages: Record<string, MessageClaims> = { '*': { publish: true, react: ['x'] } };
  const storage: Record<string, StorageClaims> = { k: { observe: true } };
  const channels: Record<string, ChannelClaims> = { 'user.1': { subscribe: true, historyStart: 0, messages, storage } };
  const claims: Claims = { exp: 1, scope: 'connect', uid: '1', umd: { any: 1 }, channels, custom: 1 };
  const token: string = new Issuer(new Config(options)).issueToken(claims) + issueToken();
  const data: JsonValue = [{ a: null }];
  const input: PublishInput = { channel: 'c', event: 'e', data, store: 1 };
  async function publish(): Promise<string | null | undefined> {
    const result: PublishResult = await new Publisher(new Config()).publishMessage(input);
    const response: PublishResponse = (await publishMessage(input)).json();
    const bytes: Uint8Array = result.payload;
    return response.id ?? result.json<{ id: string }>().id + bytes.length;
  }
  function explain(error: unknown): string | number | undefined {
    if (error instanceof PublishError) return error.statusCode ?? error.code;
    if (error instanceof ConfigurationError) return error.option;
    return error instanceof ArgumentError ? error.message : VERSION;
  }
  const names: [TransportName, SigningAlgorithm] = ['lambda', 'PS512'];
  export { explain, names, publish, token };

  // An interface has no index signature.
  interface Chat { text: string; at?: Date; tags?: readonly string[] }
  interface MyChannels {
    'room.*': { events: { chat: Chat; typing: undefined }; member: { name: string }; storage: { topic: string } };
    'room.lobby': { events: { hello: number } };
    news: { events: { headline: string; any: unknown } };
  }
  const shape: Shape = { events: { chat: {} as Chat } };
  const chat: Chat = { text: 'hi' };
  const id: string = token;
  const mine = new Publisher<MyChannels>(options);
  const api = new ServerApi<MyChannels>(options);
  async function typed(): Promise<string | undefined> {
    await publishMessage({ channel: id, event: id, data: chat });
    await publishMessage({ channel: 'c', event: 'e', data: [chat, { more: { chat } }] });
    await publishBatch([{ channel: 'c', event: 'e', data: chat }, input]);
    await new Publisher(options).publishMessage({ channel: 'c', event: 'e', data: chat });
    await mine.publishMessage({ channel: 'room.1', event: 'chat', data: chat });
    await mine.publishMessage({ channel: \`room.\${id}\`, event: 'typing', deduplicationId: id });
    await mine.publishMessage({ channel: 'room.lobby', event: 'hello', data: 1 });
    await mine.publishBatch([
      { channel: 'room.1', event: 'chat', data: { text: 'a' } },
      { channel: 'news', event: 'headline', data: 'b', store: 1 },
    ]);
    await mine.setStorage('room.1', 'topic', 'x', { store: 60 });
    await mine.setStorage('room.1', 'topic', null);
    await mine.react('room.1', { messageId: 'm', reaction: '+', uid: 'u' });
    const message: MessageInput<MyChannels, 'news', 'headline'> = { channel: 'news', event: 'headline', data: 'x' };
    await mine.publishMessage(message);
    const members: { uid: string; umd: { name: string } | null }[] = await api.members('room.1');
    for await (const { key, data } of api.storage('room.1')) return key === 'topic' ? data : undefined;
    for await (const { id, subscriptionsCount } of api.connections({ uid: 'u' })) return id + subscriptionsCount;
    const { connections, total }: { connections: Connection[]; total: number } = await api.connections().page({ limit: 1 });
    const { disconnected, complete } = await api.disconnect({ uid: 'u', except: ['a'], refuseFor: 60 });
    const event: BackendEvent = verifyWebhook('{}', { 'webhook-id': 'x' }, 'whsec_');
    if (event.type === 'hotsock.messagePublished') return event.metadata.requestId + event.data.id;
    return String([members, connections, total, disconnected, complete, shape, ApiError, WebhookVerificationError]);
  }
  export { typed };

  // What a later version may know is passed on where somebody says that it is meant.
  const later = { channel: 'c', event: 'e', data: chat, someNewParam: true };
  void publishMessage(later);
  void publishBatch([later]);
  void new Publisher(options).publishMessage(later);
  void new Publisher(options).publishBatch([later]);
  // @ts-expect-error
  void publishMessage({ ...later, store: '1' });
  // @ts-expect-error typing mistakes, without a map
  void publishMessage({ channel: 'c', event: 'e', data: chat, deduplicationID: id });
  // @ts-expect-error
  void publishMessage({ channel: 'c', event: 'e', Store: 1 });
  // @ts-expect-error
  void publishBatch([{ channel: 'c', event: 'e', data: chat, deduplicationID: id }]);
  // @ts-expect-error
  void new Publisher(options).publishMessage({ channel: 'c', event: 'e', data: chat, deduplicationID: id });
  // @ts-expect-error
  void new Publisher(options).publishBatch([{ channel: 'c', event: 'e', data: chat, deduplicationID: id }]);
  // @ts-expect-error
  const mistaken: PublishInput = { channel: 'c', event: 'e', deduplicationID: id };
  // @ts-expect-error a typing mistake
  void mine.publishMessage({ channel: 'room.1', event: 'chat', data: chat, eagerIDGeneration: true });
  // @ts-expect-error
  void mine.publishBatch([{ channel: 'news', event: 'headline', data: 'b', Store: 1 }]);
  // @ts-expect-error nested, too
  void publishMessage({ channel: 'c', event: 'e', data: { a: [{ b: () => 1 }] } });
  // @ts-expect-error
  void publishMessage({ channel: 'c', event: 'e', data: new Map() });
  // @ts-expect-error no such channel
  void mine.publishMessage({ channel: 'rom.1', event: 'chat', data: chat });
  // @ts-expect-error no such event
  void mine.publishMessage({ channel: 'room.1', event: 'headline', data: 'x' });
  // @ts-expect-error its own name says more than the pattern
  void mine.publishMessage({ channel: 'room.lobby', event: 'chat', data: chat });
  // @ts-expect-error
  void mine.publishMessage({ channel: 'room.1', event: 'chat', data: { text: 1 } });
  // @ts-expect-error
  void mine.publishMessage({ channel: 'room.1', event: 'chat', data: { text: 'x', tahs: [] } });
  // @ts-expect-error without data
  void mine.publishMessage({ channel: 'room.1', event: 'chat' });
  // @ts-expect-error
  void mine.publishBatch([{ channel: 'news', event: 'headline', data: 1 }]);
  // @ts-expect-error
  void mine.setStorage('room.1', 'topci', 'x');
  // @ts-expect-error
  void mine.setStorage('room.1', 'topic', 1);
  // @ts-expect-error
  void api.channel('rom.1');
  // @ts-expect-error two selectors
  void api.disconnect({ uid: 'u', channel: 'c' });
  // @ts-expect-error
  void api.disconnect({ user: 'u' });
  // @ts-expect-error no map
  new Publisher<{ a: { event: { x: 1 } } }>(options);

  // @ts-expect-error
  configure({ awsRegoin: 'us-east-1' });
  // @ts-expect-error
  void publishMessage({ channel: 'c' });
  // @ts-expect-error
  void publishMessage({ channel: 'c', event: 'e', data: 1n });
  // @ts-expect-error
  issueToken({ exp: '60' });
  // @ts-expect-error
  issueToken({ channels: { a: { messages: { e: { publish: 'yes' } } } } });
  // @ts-expect-error
  new Config({ issuerKeyAlgorithm: 'none' });
`;

describe('types', () => {
  it.each([
    ['node16', 'node16', 'mts'],
    ['node16', 'node16', 'cts'],
    ['nodenext', 'nodenext', 'mts'],
    ['nodenext', 'nodenext', 'cts'],
    ['bundler', 'esnext', 'ts'],
    ['node10', 'commonjs', 'ts'],
  ])('are right with module resolution %s, module %s, in .%s files', async (moduleResolution, module, extension) => {
    // All that a strict project can demand, with neither Node's nor the DOM's types at hand.
    const options = ['--target', 'es2020', '--lib', 'es2020'];
    const resolution = ['--module', module, '--moduleResolution', moduleResolution];
    const file = `typed-${moduleResolution}.${extension}`;
    expect(await project.typeProblems(file, TYPED, [...options, ...resolution])).toBe('');
  });
});
