import { randomBytes } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { createDatabase } from '../support/database';
import { startNats, type TestNats } from '../support/nats';
import { type AppProcess, startApp } from '../support/process';
import { dataDirPrefix } from '../support/servers';
import { signToken } from '../support/tokens';
import { type Browser, findChromium, startChromium } from './chromium';

const executable = findChromium();
if (executable === undefined && process.env.CI === undefined) {
  process.stderr.write('no chromium here (apt-get install chromium): the browser spec is skipped\n');
}
/** In CI a missing browser is a failure, because nobody would notice a spec that never runs. */
const describeInBrowser = executable === undefined && process.env.CI === undefined ? describe.skip : describe;

const API_KEY = 'browser-spec-key';
const SECRET = randomBytes(32);
/** Not a header that any page may send: the browser asks with a preflight first. */
const PREFLIGHTED = { 'content-type': 'application/json' };

describeInBrowser('a page of another origin', () => {
  let nats: TestNats;
  let database: Awaited<ReturnType<typeof createDatabase>>;
  let hearth: AppProcess;
  let site: Server;
  let siteUrl: string;
  let browser: Browser;
  const dataDir = join(tmpdir(), `${dataDirPrefix}${randomBytes(6).toString('hex')}`);

  beforeAll(async () => {
    if (executable === undefined) throw new Error('no chromium here: install it (apt-get install chromium)');
    [nats, database] = await Promise.all([startNats(), createDatabase()]);
    const html = await readFile(join(__dirname, 'page.html'));
    site = createServer((_, response) => response.setHeader('content-type', 'text/html').end(html));
    await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve));
    siteUrl = `http://127.0.0.1:${(site.address() as AddressInfo).port}/`;
    const env = {
      HEARTH_NATS_URL: nats.url,
      HEARTH_DATABASE_URL: database.url,
      HEARTH_DATA_DIR: dataDir,
      HEARTH_SIGNING_KEY_1_ENCODED: SECRET.toString('base64'),
      HEARTH_HTTP_API_KEY_1: API_KEY,
      HEARTH_DRAIN_SECONDS: '0',
    };
    hearth = await startApp('hearth', env, { readyWithinMs: 60_000 });
    browser = await startChromium(executable);
  }, 120_000);

  afterAll(async () => {
    await browser?.close();
    await hearth?.stop();
    site?.close();
    await Promise.all([nats?.stop(), database?.drop()]);
    await rm(dataDir, { recursive: true, force: true });
  });

  const claims = {
    scope: 'connect',
    uid: 'browser',
    umd: { name: 'Zoë' },
    channels: {
      'chat.*': { subscribe: true, historyStart: 0, messages: { '*': { publish: true, echo: true, store: 600 } } },
    },
  };

  /** Runs an expression in the page, with arguments as JSON. */
  const run = (page: Page, name: string, ...args: unknown[]): Promise<ReturnType<typeof JSON.parse>> =>
    page.evaluate(`${name}(${args.map((arg) => JSON.stringify(arg)).join(', ')})`);

  const frame = (page: Page, condition: string) => page.evaluate(`frame((frame) => ${condition})`);

  async function openPage(channel: string): Promise<Page> {
    const page = await browser.open(siteUrl);
    await run(page, 'open', hearth.wsUrl, hearth.httpUrl, signToken(claims, { secret: SECRET }));
    await run(page, 'send', { event: 'hotsock.subscribe', channel });
    await frame(page, 'frame.event === "hotsock.subscribed"');
    return page;
  }

  async function publish(document: object): Promise<void> {
    const response = await fetch(`${hearth.httpUrl}/publish`, {
      method: 'POST',
      body: JSON.stringify(document),
      headers: { authorization: `Bearer ${API_KEY}` },
    });
    expect(response.status).toBe(202);
  }

  it('chats with plain WebSocket and fetch', async () => {
    const channel = 'chat.1';
    const [page, other] = [await openPage(channel), await openPage(channel)];

    await run(page, 'send', { event: 'by-socket', channel, data: { text: 'héllo 😀' } });
    expect(await frame(other, 'frame.event === "by-socket"')).toMatchObject({
      data: { text: 'héllo 😀' },
      meta: { uid: 'browser', umd: { name: 'Zoë' } },
    });

    const published = await run(page, 'call', 'publishMessage', { channel, event: 'by-fetch', data: [1] });
    expect(published).toEqual({ status: 202, type: 'cors', body: { id: null, event: 'by-fetch', channel } });
    expect(await frame(other, 'frame.event === "by-fetch"')).toMatchObject({ data: [1] });

    await publish({ channel, event: 'by-server', data: 'news', store: 600 });
    for (const each of [page, other]) {
      expect(await frame(each, 'frame.event === "by-server"')).toMatchObject({ channel, data: 'news' });
    }

    const history = await run(page, 'call', 'listMessages', { channel });
    expect([history.status, history.type]).toEqual([200, 'cors']);
    expect(history.body.messages.map(({ event }: { event: string }) => event)).toEqual([
      'by-socket',
      'by-fetch',
      'by-server',
    ]);
    // The sender sees its own messages too: it asked for an echo.
    const live = await page.evaluate('frames.filter(({ id }) => id)');
    expect((live as { id: string }[]).map(({ id }) => id)).toEqual(
      history.body.messages.map(({ id }: { id: string }) => id),
    );
    expect(await run(page, 'close')).toEqual({ code: 1000, wasClean: true });
    expect(browser.problems).toEqual([]);
  });

  it('may send a header that makes the browser ask first', async () => {
    const page = await openPage('chat.2');
    const body = { channel: 'chat.2', event: 'e' };
    expect(await run(page, 'call', 'publishMessage', body, PREFLIGHTED)).toMatchObject({ status: 202, type: 'cors' });
    expect(await run(page, 'call', 'listMessages', body, PREFLIGHTED)).toMatchObject({ status: 200, type: 'cors' });
    expect(browser.problems).toEqual([]);
  });

  it('can read errors, and that its credentials have ended', async () => {
    const page = await openPage('chat.3');
    const refused = await run(page, 'call', 'publishMessage', { channel: 'other', event: 'e' });
    expect(refused).toMatchObject({ status: 403, body: { error: { code: 'PUBLISH_PERMISSION_DENIED' } } });
    await run(page, 'close');
    for (const headers of [undefined, PREFLIGHTED]) {
      const ended = await run(page, 'call', 'listMessages', { channel: 'chat.3' }, headers ?? {});
      expect(ended).toMatchObject({ status: 401, body: { error: { code: 'UNAUTHORIZED' } } });
    }
  });

  it('learns that a token is not accepted', async () => {
    const page = await browser.open(siteUrl);
    const code = await page.evaluate(
      `new Promise((resolve) => { new WebSocket('${hearth.wsUrl}?token=nonsense').onclose = ({ code }) => resolve(code); })`,
    );
    expect(code).toBe(1006);
  });
});
