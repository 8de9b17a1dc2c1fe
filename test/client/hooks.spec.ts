import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Page } from 'playwright-core';
import { type Browser, describeInBrowser, startChromium } from '../browser/chromium';
import { eventually } from '../support/eventually';
import type { Frame } from '../support/ws-client';
import { anyToken, FakeServer, type Peer } from './fake-server';

const root = join(__dirname, '../..');
const run = promisify(execFile);

/** The application that the tests look at: everything on one page, in Strict Mode. */
const APP = `
  import { createElement as h, StrictMode, Suspense } from 'react';
  import { createRoot, hydrateRoot } from 'react-dom/client';
  import { HearthClient, sessionStore } from '@hearth/client';
  import * as hooks from '@hearth/client/react';
  import * as composables from '@hearth/client/vue';
  import { createApp, h as v, ref } from 'vue';

  const log = (window.log = []);
  let calls = 0;
  window.begin = (url, token, more) => {
    window.client = new HearthClient(url, {
      connectTokenFn: () => token,
      resumeStore: sessionStore(),
      backoff: { baseMs: 20, maxMs: 50 },
      ...more,
      fetch: async (_url, { body }) => {
        window.calls = ++calls;
        const { before } = JSON.parse(body);
        const page = before === undefined ? [3, 2] : before === '2' ? [1] : [];
        const messages = page.map((n) => ({ id: String(n), event: 'chat', channel: 'h', data: n, meta: {} }));
        return { ok: true, status: 200, json: async () => ({ messages }) };
      },
    });
  };
  function Room({ name, mark }) {
    hooks.useChannel(name);
    hooks.useEvent(name, 'chat', ({ data }) => log.push(mark + data));
    const { members, synced } = hooks.usePresence(name);
    const [topic, setTopic, { pending }] = hooks.useStorage(name, 'topic');
    window.setTopic = setTopic;
    const state = JSON.stringify({ name, members: members.map(({ uid }) => uid), synced, topic, pending });
    log.push(state);
    return h('p', { id: 'room' }, state);
  }
  function Status() {
    return h('p', { id: 'status' }, hooks.useConnection().state);
  }
  function Past() {
    const { messages, status, loadOlder } = hooks.useHistory('h', { limit: 2, suspense: true });
    window.loadOlder = loadOlder;
    return h('p', { id: 'past' }, status + messages.map(({ data }) => data).join());
  }
  window.listen = (name) => {
    const channel = window.client.channel(name);
    channel.onGap(({ reason }) => log.push(reason));
    channel.on('chat', ({ data }) => log.push(data));
    channel.presence.subscribe(() => (window.members = channel.presence.members.map(({ uid }) => uid).join()));
    channel.storage.subscribe(() => (window.stored = [channel.storage.synced, ...channel.storage.entries()].join()));
  };
  const roots = {};
  window.show = (place, what, props) => {
    const parts = { Room, Status, Past };
    roots[place] ??= createRoot(document.getElementById(place));
    const part = what && h(Suspense, { fallback: '…' }, h(parts[what], props));
    roots[place].render(h(StrictMode, null, h(hooks.HearthProvider, { client: window.client }, part)));
  };
  window.vue = (place, first) => {
    const name = (window.vueName = ref(first));
    const Room = {
      setup() {
        const { state } = composables.useConnection();
        const channel = composables.useChannel(name);
        const { members, synced } = composables.usePresence(name);
        const [topic, setTopic, { pending }] = composables.useStorage(name, 'topic');
        const { messages, status, loadOlder } = composables.useHistory('h', { limit: 2 });
        composables.useEvent(name, 'chat', ({ data }) => log.push(data));
        Object.assign(window, { setTopic, loadOlder });
        return () => {
          const what = [state, status, synced, topic, pending].map(({ value }) => value ?? null);
          const lists = [members.value.map(({ uid }) => uid), messages.value.map(({ data }) => data)];
          const text = JSON.stringify([channel.value?.name ?? null, ...lists, ...what]);
          log.push(text);
          return v('p', { id: 'vue' }, text);
        };
      },
    };
    const app = createApp({ render: () => v(composables.HearthProvider, { client: window.client }, () => v(Room)) });
    app.mount('#' + place);
    window.unmount = () => app.unmount();
  };
  window.hydrate = () => {
    const element = h(hooks.HearthProvider, { client: window.client }, h(Status));
    hydrateRoot(document.getElementById('server'), element, { onRecoverableError: (error) => log.push(String(error)) });
  };
`;

const PAGE = `<!doctype html><div id="a"></div><div id="b"></div><div id="server"><p id="status">idle</p></div><script src="/app.js"></script>`;

describeInBrowser('hooks of React in a page (client-library §8), and the page itself (§4)', (executable) => {
  let folder: string;
  let site: Server;
  let browser: Browser;
  let server: FakeServer;
  let page: Page;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'hearth-hooks-'));
    await run(process.execPath, [join(root, 'scripts/build-client.mjs'), join(folder, 'client')]);
    await writeFile(join(folder, 'app.js'), APP);
    const options = {
      entryPoints: [join(folder, 'app.js')],
      bundle: true,
      outfile: join(folder, 'bundle.js'),
      alias: {
        '@hearth/client': join(folder, 'client/esm/index.mjs'),
        '@hearth/client/react': join(folder, 'client/esm/react.mjs'),
        '@hearth/client/vue': join(folder, 'client/esm/vue.mjs'),
      },
      nodePaths: [join(root, 'node_modules')],
      define: { 'process.env.NODE_ENV': '"development"' },
    };
    const program = `require('esbuild').buildSync(${JSON.stringify(options)})`;
    await run(process.execPath, ['-e', program], { cwd: root });
    const script = await readFile(join(folder, 'bundle.js'));
    site = createServer((request, response) => {
      const isScript = request.url === '/app.js';
      response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html; charset=utf-8');
      response.end(isScript ? script : PAGE);
    });
    await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve));
    browser = await startChromium(executable);
  });
  afterAll(async () => {
    await browser?.close();
    site?.close();
    await rm(folder, { recursive: true, force: true });
  });

  beforeEach(async () => {
    server = await FakeServer.start((peer) => {
      peer.connected();
      peer.socket.on('message', () => answer(peer));
    });
    page = await browser.open(`http://127.0.0.1:${(site.address() as AddressInfo).port}/`);
    await page.evaluate(`begin(${JSON.stringify(server.url)}, ${JSON.stringify(anyToken({ uid: 'u1' }))})`);
  });
  afterEach(async () => {
    await page.close();
    await server.stop();
  });

  function answer(peer: Peer): void {
    const { event, channel, data } = peer.frames.at(-1);
    if (event === 'hotsock.unsubscribe') return peer.send({ event: 'hotsock.unsubscribed', channel, data: {} });
    if (event !== 'hotsock.subscribe') return;
    const members = [{ uid: `of ${channel}`, umd: null }];
    peer.subscribed(channel, { resume: { complete: data.resume === true ? undefined : true, token: 't' }, members });
    if (data.storage === true) peer.send({ event: 'hotsock.channelStorageSynced', channel, data: {} });
  }

  const text = (id: string): Promise<string | null> => page.textContent(`#${id}`, { timeout: 1_000 });
  const events = (peer: Peer): unknown[] => peer.frames.map(({ event, channel }: Frame) => `${event} ${channel}`);
  const show = (place: string, what: string | null, props: object = {}) =>
    page.evaluate(`show(${JSON.stringify(place)}, ${JSON.stringify(what)}, ${JSON.stringify(props)})`);
  const log = () => page.evaluate<string[]>('log');
  const room = (name: string, more: object = {}) =>
    JSON.stringify({ name, members: [`of ${name}`], synced: true, pending: false, ...more });

  it('subscribe once, for a component that is mounted twice, and end half a second after the last', async () => {
    const peer = await server.peer(1);
    await show('a', 'Room', { name: 'c', mark: 'x' });
    await eventually(async () => expect(await text('room')).toBe(room('c')));
    await show('b', 'Room', { name: 'c', mark: 'y' });
    await show('a', null);
    await delay(700);
    expect(events(peer)).toEqual(['hotsock.subscribe c']);
    await show('b', null);
    await delay(100);
    await show('b', 'Room', { name: 'c', mark: 'y' });
    await delay(700);
    expect(events(peer)).toEqual(['hotsock.subscribe c']);
    await show('b', null);
    await eventually(() => expect(events(peer)).toEqual(['hotsock.subscribe c', 'hotsock.unsubscribe c']));
    expect(await page.evaluate('client.state')).toBe('connected');
  });

  it('call the newest handler, and send nothing for it', async () => {
    const peer = await server.peer(1);
    await show('a', 'Room', { name: 'c', mark: 'old ' });
    await eventually(async () => expect(await text('room')).toBe(room('c')));
    await show('a', 'Room', { name: 'c', mark: 'new ' });
    peer.send({ id: '1', event: 'chat', channel: 'c', data: 'hi' });
    await eventually(async () => expect(await log()).toContain('new hi'));
    expect((await log()).filter((line) => line.endsWith('hi'))).toEqual(['new hi']);
    expect(events(peer)).toEqual(['hotsock.subscribe c']);
  });

  it('show nothing of the old channel when the name changes', async () => {
    await show('a', 'Room', { name: 'c' });
    await eventually(async () => expect(await text('room')).toBe(room('c')));
    await show('a', 'Room', { name: 'd' });
    await eventually(async () => expect(await text('room')).toBe(room('d')));
    const mixed = (await log()).filter((line) => line.includes('"name":"d"') && line.includes('of c'));
    expect(mixed).toEqual([]);
  });

  it('show a value of storage at once, and that it is on its way', async () => {
    const peer = await server.peer(1);
    await show('a', 'Room', { name: 'c' });
    await eventually(async () => expect(await text('room')).toBe(room('c')));
    await page.evaluate('void setTopic("new")');
    const { ref } = await peer.frame('hotsock.channelStorageSet');
    await eventually(async () =>
      expect(JSON.parse((await text('room')) ?? '')).toMatchObject({ topic: 'new', pending: true }),
    );
    peer.send({ event: 'hotsock.published', channel: 'c', ref, data: { id: '1' } });
    await eventually(async () =>
      expect(JSON.parse((await text('room')) ?? '')).toMatchObject({ topic: 'new', pending: false }),
    );
  });

  it('suspend on history once, go on with what comes, and load what is older', async () => {
    await show('a', 'Past');
    await eventually(async () => expect(await text('past')).toBe('ready2,3'));
    expect(await page.evaluate('calls')).toBe(1);
    (await server.peer(1)).send({ id: '4', event: 'chat', channel: 'h', data: 4 });
    await eventually(async () => expect(await text('past')).toBe('ready2,3,4'));
    await page.evaluate('loadOlder()');
    await eventually(async () => expect(await text('past')).toBe('ready1,2,3,4'));
  });

  it('take over what a server rendered without a complaint', async () => {
    await page.evaluate('hydrate()');
    await eventually(async () => expect(await text('status')).toBe('connected'));
    expect(await log()).toEqual([]);
  });

  it('a page that is hidden for good closes, keeps its points, and comes back', async () => {
    await show('a', 'Room', { name: 'c', mark: 'at ' });
    const first = await server.peer(1);
    await first.frame('hotsock.subscribe');
    first.send({ id: '7', event: 'chat', channel: 'c', data: 'hi' });
    await eventually(async () => expect(await log()).toContain('at hi'));
    const closed = new Promise((resolve) => first.socket.on('close', resolve));
    await page.evaluate('dispatchEvent(new Event("pagehide"))');
    await closed;
    expect(await page.evaluate('Object.values({ ...sessionStorage }).map(JSON.parse)')).toEqual([
      { after: '7', token: 't' },
    ]);
    await page.evaluate('dispatchEvent(new Event("pageshow"))');
    const second = await server.peer(2);
    expect((await second.frame('hotsock.subscribe')).data.resume).toEqual({ after: '7', token: 't' });
  });

  it('of Vue do the same, as refs', async () => {
    const peer = await server.peer(1);
    await page.evaluate('vue("a", "c")');
    const shows = (...what: unknown[]) =>
      eventually(async () => expect(JSON.parse((await text('vue')) ?? '')).toEqual(what));
    await shows('c', ['of c'], [2, 3], 'connected', 'ready', true, null, false);
    // A server would have rendered this.
    expect(JSON.parse((await log())[0] ?? '')).toEqual([null, [], [], 'idle', 'loading', false, null, false]);
    peer.send({ id: '9', event: 'chat', channel: 'c', data: 'hi' });
    await eventually(async () => expect(await log()).toContain('hi'));
    await page.evaluate('void setTopic("new")');
    const { ref } = await peer.frame('hotsock.channelStorageSet');
    await shows('c', ['of c'], [2, 3], 'connected', 'ready', true, 'new', true);
    peer.send({ event: 'hotsock.published', channel: 'c', ref, data: { id: '1' } });
    await shows('c', ['of c'], [2, 3], 'connected', 'ready', true, 'new', false);
    await page.evaluate('loadOlder()');
    await shows('c', ['of c'], [1, 2, 3], 'connected', 'ready', true, 'new', false);
    await page.evaluate('void (vueName.value = "d")');
    await shows('d', ['of d'], [1, 2, 3], 'connected', 'ready', true, null, false);
    expect((await log()).filter((line) => line.startsWith('["d",["of c"]'))).toEqual([]);
    await page.evaluate('unmount()');
    await peer.frame('hotsock.unsubscribe', 2);
    expect(events(peer).filter((one) => String(one).startsWith('hotsock.sub'))).toEqual(
      expect.arrayContaining(['hotsock.subscribe c', 'hotsock.subscribe h', 'hotsock.subscribe d']),
    );
    expect(await page.evaluate('client.state')).toBe('connected');
  });

  describe('one connection for all tabs (§7)', () => {
    const others: Page[] = [];
    const token = anyToken({ uid: 'u1' });
    const url = () => `http://127.0.0.1:${(site.address() as AddressInfo).port}/`;

    /** A tab that shares; the page that each test begins with is suspended, and takes no part. */
    async function tab(name: string | null = 'c', before = ''): Promise<Page> {
      const made = await browser.open(url());
      others.push(made);
      await made.evaluate(`${before}; begin(${JSON.stringify(server.url)}, '${token}', { shareTabs: true })`);
      if (name !== null) await made.evaluate(`listen('${name}')`);
      return made;
    }
    const chat = (id: string) => ({ id, event: 'chat', channel: 'c', data: id });
    const heard = (one: Page, ...what: string[]) =>
      eventually(async () => expect(await one.evaluate('log')).toEqual(what));

    beforeEach(async () => {
      await page.evaluate('client.terminate()');
      await server.peer(1);
    });
    afterEach(() => Promise.all(others.splice(0).map((one) => one.close())));

    it('gives each what it asked for, and asks once', async () => {
      const [one, two] = [await tab(), await tab()];
      const peer = await server.peer(2);
      for (const each of [one, two]) {
        await eventually(async () => expect(await each.evaluate('[members, stored]')).toEqual(['of c', 'true']));
      }
      peer.send(chat('1'));
      peer.send({ event: 'hotsock.channelStorageUpdated', channel: 'c', key: 'k', data: 7, meta: {} });
      for (const each of [one, two]) await heard(each, '1');
      // One that comes later sees what is there, and nothing from before.
      const three = await tab();
      await eventually(async () => expect(await three.evaluate('[members, stored]')).toEqual(['of c', 'true,k,7']));
      // What one of them publishes the others hear, as if each had its own connection; the echo is no second one.
      const sent = three.evaluate<{ id: string }>(`client.channel('c').publish('chat', '2')`);
      const { ref } = await peer.frame('chat');
      peer.send({ event: 'hotsock.published', channel: 'c', ref, data: { id: '2', position: '2' } });
      expect(await sent).toMatchObject({ id: '2' });
      for (const each of [one, two]) await heard(each, '1', '2');
      peer.send(chat('2'));
      peer.send(chat('3'));
      for (const each of [one, two]) await heard(each, '1', '2', '3');
      await heard(three, '2', '3');
      expect(server.peers).toHaveLength(2);
      expect(events(peer)).toEqual(['hotsock.subscribe c', 'chat c']);
      // The channel is left with the last who wants it.
      for (const each of [one, two]) await each.close();
      await three.evaluate('client.suspend()');
    });

    it('goes over to the next tab when its tab is closed, from where that one was', async () => {
      const [one, two] = [await tab(), await tab()];
      const first = await server.peer(2);
      await eventually(async () => expect(await two.evaluate('client.channel("c").state')).toBe('subscribed'));
      first.send(chat('1'));
      for (const each of [one, two]) await heard(each, '1');
      await one.close();
      const second = await server.peer(3);
      expect((await second.frame('hotsock.subscribe')).data.resume).toEqual({ after: '1', token: 't' });
      second.send(chat('2'));
      await heard(two, '1', '2');
      // A tab that is further behind has the channel subscribed again, and nobody hears anything twice.
      const store = `sessionStorage.setItem('hearth:' + JSON.stringify(['${server.url}', 'u1', 'c']), '{"after":"0","token":"t"}')`;
      const three = await tab('c', store);
      expect((await second.frame('hotsock.subscribe', 1)).data.resume).toEqual({ after: '0', token: 't' });
      for (const id of ['1', '2', '3']) second.send(chat(id));
      await heard(three, '1', '2', '3');
      await heard(two, '1', '2', '3');
      expect(server.peers).toHaveLength(3);
    });

    it('is not, where the browser has no locks, and where who connects is silent', async () => {
      await tab('c', `Object.defineProperty(navigator, 'locks', { value: undefined })`);
      await (await server.peer(2)).frame('hotsock.subscribe');
      const [one, two] = [await tab(), await tab()];
      await eventually(async () => expect(await two.evaluate('client.channel("c").state')).toBe('subscribed'));
      expect(server.peers).toHaveLength(3);
      // Its tab hangs: the page is there, and answers nobody.
      void one.evaluate('for (const end = Date.now() + 60_000; Date.now() < end; );').catch(() => undefined);
      await two.evaluate(`void client.channel('c').publish('chat', 'x').catch(() => {})`);
      await (await server.peer(4)).frame('chat');
    });
  });

  it('a page that is offline looks whether that is so', async () => {
    const peer = await server.peer(1);
    await eventually(async () => expect(await page.evaluate('client.state')).toBe('connected'));
    await page.evaluate('dispatchEvent(new Event("offline"))');
    await peer.frame('hotsock.ping');
    await server.peer(1);
    await eventually(async () => expect(await page.evaluate('client.state')).toBe('reconnecting'));
    await delay(300);
    expect(server.peers).toHaveLength(1);
    await page.evaluate('dispatchEvent(new Event("online"))');
    await server.peer(2);
  });
});
