import { readdir, readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { VERSION } from '@hearth/client';
import { PackedProject } from '../support/packed-project';
import { anyToken, FakeServer } from './fake-server';

const root = join(__dirname, '../..');
let project: PackedProject;

beforeAll(async () => {
  project = await PackedProject.with('client', VERSION);
});
afterAll(() => project?.remove());

const runProgram = (...args: Parameters<PackedProject['run']>) => project.run(...args);
const installed = (...path: string[]) => project.installed(...path);
const package_ = (...path: string[]) => installed('@hearth/client', ...path);

const NAMES = [
  'ClosedError',
  'GapError',
  'HearthClient',
  'HearthError',
  'HistoryError',
  'HotsockClient',
  'InvalidArgumentError',
  'NotConnectedError',
  'PublishError',
  'PublishUncertainError',
  'StorageError',
  'SubscribeError',
  'TimeoutError',
  'TokenError',
  'UnauthorizedError',
  'VERSION',
  'memoryStore',
  'sessionStore',
];

describe('the package', () => {
  it('brings nothing along, and has a version, a licence and a README', async () => {
    const modules = (await readdir(installed())).filter((name) => !name.startsWith('.'));
    expect([modules, await readdir(installed('@hearth'))]).toEqual([['@hearth'], ['client']]);
    const { version, license, dependencies } = JSON.parse(await readFile(package_('package.json'), 'utf8'));
    expect({ version, license, dependencies }).toEqual({ version: VERSION, license: 'MIT', dependencies: undefined });
    expect((await readdir(package_())).sort()).toEqual(
      ['LICENSE', 'README.md', 'cjs', 'esm', 'hotsock.js', 'package.json'].sort(),
    );
  });

  it('is small: the core at most 12 KiB, compressed, the hooks 3 besides', async () => {
    const size = async (...paths: string[]) => {
      const texts = await Promise.all(paths.map((path) => readFile(package_(path))));
      return gzipSync(Buffer.concat(texts), { level: 9 }).length;
    };
    const hooks = await readFile(package_('esm/react.mjs'), 'utf8');
    const chunks = [...new Set(hooks.match(/chunk-\w+\.mjs/g))];
    const sizes = await Promise.all(chunks.map((chunk) => size(`esm/${chunk}`)));
    expect(await size('hotsock.js')).toBeLessThanOrEqual(12 * 1_024);
    const small = sizes.filter((bytes) => bytes < 4_096).reduce((sum, bytes) => sum + bytes, 0);
    expect((await size('esm/react.mjs')) + small).toBeLessThanOrEqual(3 * 1_024);
  });

  it.each(['mjs', 'cjs'])('has the names that are documented, in .%s', async (kind) => {
    const load =
      kind === 'mjs' ? `import * as client from '@hearth/client';` : `const client = require('@hearth/client');`;
    const names = await runProgram(`names.${kind}`, `${load} console.log(JSON.stringify(Object.keys(client)))`);
    expect((names as string[]).sort()).toEqual(NAMES);
  });

  it('gives a script tag the global Hotsock', async () => {
    const text = `
      const context = require('node:vm').createContext({});
      require('node:vm').runInContext(require('node:fs').readFileSync(require.resolve('@hearth/client/hotsock.js'), 'utf8'), context);
      console.log(JSON.stringify(require('node:vm').runInContext('Object.keys(Hotsock)', context)));`;
    expect(((await runProgram('script.cjs', text)) as string[]).sort()).toEqual(NAMES);
  });

  it('lets a program with a lazy client end, where there is no WebSocket (vector 3)', async () => {
    const text = `
      delete globalThis.WebSocket;
      const { HearthClient } = await import('@hearth/client');
      const client = new HearthClient('ws://127.0.0.1:9/v1', { connectTokenFn: () => 'x', lazyConnection: true });
      client.logger.setLevel('silent');
      console.log(JSON.stringify(client.state));`;
    expect(await runProgram('lazy.mjs', text)).toBe('idle');
  });
});

/** Everything that is on the wire: names that the build makes short must not be among them. */
const TALK = (load: string) => `
  ${load}
  const { WebSocket } = globalThis.SOCKET;
  const asked = [];
  const client = new HearthClient(process.env.URL, {
    connectTokenFn: () => process.env.TOKEN,
    WebSocket,
    httpUrl: 'http://x',
    fetch: async (url, { body }) => {
      asked.push([url.split('?')[0], JSON.parse(body)]);
      return { ok: true, status: 200, json: async () => ({ messages: [] }) };
    },
  });
  const story = [];
  client.on('gap', (gap) => story.push(gap));
  const channel = client.channel('c');
  channel.storage.subscribe(() => {});
  channel.on('*', (message) => story.push(message));
  await channel.ready();
  story.push(await channel.publish('chat', 1, { schedule: 'at(2099-01-01T00:00:00)', timezone: 'UTC' }));
  await channel.react('m', 'x');
  await channel.storage.set('k', 1);
  story.push(channel.storage.get('k'), channel.presence.members);
  for await (const _ of channel.history({ after: '1', expandReactions: true })) ;
  const refused = await channel.publish('bad').catch((error) => [error.name, error.code, error.message, error.retryable]);
  client.terminate();
  console.log(JSON.stringify([story, asked, refused]));
`;

it.each(['mjs', 'cjs'])('says on the wire what the protocol says, built as .%s', async (kind) => {
  const server = await FakeServer.start((peer) => {
    peer.connected();
    peer.socket.on('message', (data) => {
      const { event, channel, ref } = JSON.parse((data as Buffer).toString('utf8'));
      if (event === 'hotsock.subscribe') {
        peer.subscribed('c', { resume: { token: 't' }, members: [{ uid: 'u', umd: null }] });
        peer.send({ event: 'hotsock.messagesMissed', channel: 'c', data: { after: null, before: '2' } });
        peer.send({ id: '2', event: 'e', channel: 'c', data: 1 });
      } else if (event === 'bad') {
        peer.send({ event: 'hotsock.error', channel, ref, error: { code: 'DATA_TOO_LARGE', message: 'no' } });
      } else if (ref !== undefined) {
        peer.send({ event: 'hotsock.published', channel, ref, data: { id: null, scheduleArn: 'arn' } });
      }
    });
  });
  try {
    const ws = `{ WebSocket: require(${JSON.stringify(join(root, 'node_modules/ws'))}) }`;
    const load =
      kind === 'mjs'
        ? `import { createRequire } from 'node:module'; import { HearthClient } from '@hearth/client'; const require = createRequire(import.meta.url); globalThis.SOCKET = ${ws};`
        : `const { HearthClient } = require('@hearth/client'); globalThis.SOCKET = ${ws};`;
    const text = kind === 'mjs' ? TALK(load) : `(async () => { ${TALK(load)} })()`;
    const env = { URL: server.url, TOKEN: anyToken({ uid: 'u1' }) };
    const [story, asked, refused] = (await runProgram(`talk.${kind}`, text, env)) as unknown[][];
    expect(story).toEqual([
      { channel: 'c', reason: 'missed', after: null, before: '2' },
      { id: '2', event: 'e', channel: 'c', data: 1 },
      { ref: expect.any(String), id: null, scheduleArn: 'arn' },
      1,
      [{ uid: 'u', umd: null }],
    ]);
    expect(asked).toEqual([['http://x/connection/listMessages', { channel: 'c', after: '1', expandReactions: true }]]);
    expect(refused).toEqual(['PublishError', 'DATA_TOO_LARGE', 'no', false]);
    const ref = expect.any(String);
    expect(server.peers[0]?.frames).toEqual([
      { event: 'hotsock.subscribe', channel: 'c', data: { resume: true, storage: true } },
      {
        ...{ channel: 'c', event: 'chat', data: 1, ref },
        ...{ scheduleExpression: 'at(2099-01-01T00:00:00)', scheduleExpressionTimezone: 'UTC' },
      },
      { channel: 'c', event: 'hotsock.messageReaction', data: { messageId: 'm', reaction: 'x', action: 'add' }, ref },
      { channel: 'c', event: 'hotsock.channelStorageSet', key: 'k', data: 1, ref },
      { channel: 'c', event: 'bad', ref },
    ]);
  } finally {
    await server.stop();
  }
});

it.each(['mjs', 'cjs'])('has a client for tests that is the same class, as .%s (§9)', async (kind) => {
  const names = `{ HearthClient, PublishError }`;
  const load =
    kind === 'mjs'
      ? `import ${names} from '@hearth/client'; import { createTestClient } from '@hearth/client/test';`
      : `const ${names} = require('@hearth/client'); const { createTestClient } = require('@hearth/client/test');`;
  const text = `${load}
    (async () => {
      const client = createTestClient({ uid: 'u' });
      const heard = [];
      client.channel('c').on('e', ({ data }) => heard.push(data));
      client.server.emit('c', 'e', 1);
      const sent = client.channel('c').publish('chat');
      client.server.reject(client.server.sent.at(-1).ref, 'NO');
      console.log(JSON.stringify([client instanceof HearthClient, heard, await sent.catch((error) => error instanceof PublishError)]));
    })();`;
  expect(await runProgram(`test.${kind}`, text)).toEqual([true, [1], true]);
});

const TYPED = `
  import { HearthClient, HotsockClient, memoryStore, PublishError, VERSION, type Gap, type Message, type Published, type State } from '@hearth/client';
  import { createTestClient } from '@hearth/client/test';
  import { HearthProvider, usePresence, useStorage, useEvent } from '@hearth/client/react';
  import { connection, presence } from '@hearth/client/svelte';

  interface Channels {
    'room.*': { events: { chat: { text: string }; typing: null }; publish: { chat: { text: string } }; member: { name: string }; storage: { topic: string } };
    'room.vip.*': { events: { wave: number } };
    news: { events: { headline: string } };
  }
  const client = new HearthClient<Channels>('wss://x', { connectTokenFn: async () => 't', resumeStore: memoryStore() });
  const room = client.channel('room.1');
  const off: () => void = room.on('chat', ({ data, meta }) => [data.text.length, meta?.umd?.name.length]);
  const sent: Promise<Published> = room.publish('chat', { text: 'hi' }, { schedule: 'at(x)' });
  const topic: string | undefined = room.storage.get('topic');
  const names: string[] = room.presence.members.map(({ umd }) => umd?.name ?? '');
  client.channel('room.vip.1').on('wave', ({ data }) => data.toFixed());
  client.on('state', (state: State) => state);
  room.onGap((gap: Gap) => gap.reason);
  async function read() {
    for await (const message of room.history({ live: true })) if (message.event === 'chat') message.data.text;
  }
  const plain = new HearthClient('wss://x', { connectTokenFn: () => 't' });
  plain.channel('anything').on('any', ({ data }) => data.whatever);
  new HotsockClient('wss://x', { connectTokenFn: () => 't' }).bind(/x/, (message) => message.data, { channel: 'c' }).unbind();
  const provided = HearthProvider({ client });
  presence(room).subscribe(({ members }) => members[0]?.umd?.name);
  connection(client).subscribe(({ state }) => state);
  const testing = createTestClient<Channels>({ uid: 'u' });
  testing.server.emit('room.1', 'chat', { text: 'x' });
  export { off, sent, topic, names, read, PublishError, VERSION, usePresence, useStorage, useEvent, presence, provided };
  export type M = Message<Channels['news']>;

  // @ts-expect-error
  client.channel('elsewhere');
  // @ts-expect-error
  room.on('chatt', () => undefined);
  // @ts-expect-error
  void room.publish('typing', null);
  // @ts-expect-error
  void room.publish('chat', { txet: 'hi' });
  // @ts-expect-error
  room.storage.get('subject');
  // @ts-expect-error
  client.channel('room.vip.1').on('chat', () => undefined);
  // @ts-expect-error
  new HearthClient('wss://x', { connectToken: () => 't' });
`;

describe('types', () => {
  it.each([
    ['node16', 'node16', 'mts'],
    ['nodenext', 'nodenext', 'cts'],
    ['bundler', 'esnext', 'ts'],
  ])('are right with module resolution %s, module %s, in .%s files', async (moduleResolution, module, extension) => {
    // All that a strict project can demand, with no types of React at hand.
    const options = ['--target', 'es2022', '--lib', 'es2022,dom'];
    const resolution = ['--module', module, '--moduleResolution', moduleResolution];
    const file = `typed-${moduleResolution}.${extension}`;
    expect(await project.typeProblems(file, TYPED, [...options, ...resolution])).toBe('');
  });
});

it('renders hooks on a server, without a socket (§8)', async () => {
  for (const name of ['react', 'react-dom', 'scheduler', 'vue', '@vue'])
    await symlink(join(root, 'node_modules', name), installed(name));
  const text = `
    import { createElement } from 'react';
    import { renderToString } from 'react-dom/server';
    import { HearthClient } from '@hearth/client';
    import { HearthProvider, useChannel, useConnection, useEvent, useHistory, usePresence, useStorage } from '@hearth/client/react';
    let calls = 0;
    const client = new HearthClient('ws://127.0.0.1:9', { connectTokenFn: () => (calls++, ''), lazyConnection: true });
    function Page() {
      const { state } = useConnection();
      useChannel('c'); useEvent('c', 'e', () => {});
      const { members, synced } = usePresence('presence.c');
      const [value, set, { pending }] = useStorage('c', 'k');
      const { messages, status } = useHistory('c', { limit: 3, suspense: true });
      return JSON.stringify([state, members, synced, value ?? null, typeof set, pending, messages, status]);
    }
    const html = renderToString(createElement(HearthProvider, { client }, createElement(Page)));
    console.log(JSON.stringify([html.replaceAll('&quot;', '"'), calls, client.state]));`;
  const expected = ['idle', [], false, null, 'function', false, [], 'loading'];
  expect(await runProgram('server.mjs', text)).toEqual([JSON.stringify(expected), 0, 'idle']);

  const ofVue = `
    import { createSSRApp, h } from 'vue';
    import { renderToString } from 'vue/server-renderer';
    import { HearthClient } from '@hearth/client';
    import { HearthProvider, useChannel, useConnection, useEvent, useHistory, usePresence, useStorage } from '@hearth/client/vue';
    let calls = 0;
    const client = new HearthClient('ws://127.0.0.1:9', { connectTokenFn: () => (calls++, ''), lazyConnection: true });
    const Page = {
      setup() {
        const { state } = useConnection();
        useChannel('c'); useEvent('c', 'e', () => {});
        const { members, synced } = usePresence('presence.c');
        const [value, set, { pending }] = useStorage('c', 'k');
        const { messages, status } = useHistory('c', { limit: 3 });
        return () => JSON.stringify([state.value, members.value, synced.value, value.value ?? null, typeof set, pending.value, messages.value, status.value]);
      },
    };
    const html = await renderToString(createSSRApp({ render: () => h(HearthProvider, { client }, () => h(Page)) }));
    console.log(JSON.stringify([html.replaceAll('&quot;', '"').replace(/<!--.-->/g, ''), calls, client.state]));`;
  expect(await runProgram('vue.mjs', ofVue)).toEqual([expect.stringContaining(JSON.stringify(expected)), 0, 'idle']);
});
