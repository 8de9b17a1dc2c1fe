import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { type Browser, describeInBrowser, startChromium } from './chromium';
import { eventually } from '../support/eventually';
import { API_KEY, type Installation, startInstallation } from './installation';

const root = join(__dirname, '../..');

/** Not a header that any page may send: the browser asks with a preflight first. */
const PREFLIGHTED = { 'content-type': 'application/json' };

describeInBrowser('a page of another origin', (executable) => {
  let installation: Installation;
  let site: Server;
  let siteUrl: string;
  let browser: Browser;

  beforeAll(async () => {
    installation = await startInstallation();
    const html = await readFile(join(__dirname, 'page.html'));
    site = createServer((_, response) => response.setHeader('content-type', 'text/html').end(html));
    await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve));
    siteUrl = `http://127.0.0.1:${(site.address() as AddressInfo).port}/`;
    browser = await startChromium(executable);
  });

  afterAll(async () => {
    await browser?.close();
    site?.close();
    await installation?.stop();
  });

  const claims = {
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
    const { hearth } = installation;
    await run(page, 'open', hearth.wsUrl, hearth.httpUrl, installation.token(claims));
    await run(page, 'send', { event: 'hotsock.subscribe', channel });
    await frame(page, 'frame.event === "hotsock.subscribed"');
    return page;
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

    await installation.publish({ channel, event: 'by-server', data: 'news', store: 600 });
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
      `new Promise((resolve) => { new WebSocket('${installation.hearth.wsUrl}?token=nonsense').onclose = ({ code }) => resolve(code); })`,
    );
    expect(code).toBe(1006);
  });

  describe('that is one of the examples', () => {
    const examples = join(root, 'examples/browser');
    let backend: ChildProcess;
    let backendUrl: string;

    beforeAll(async () => {
      browser.problems.splice(0);
      backend = spawn(process.execPath, [join(root, 'scripts/examples.mjs')], {
        env: {
          PATH: process.env.PATH,
          PORT: '0',
          HEARTH_URL: installation.hearth.httpUrl,
          HEARTH_API_KEY: API_KEY,
          HEARTH_SIGNING_SECRET: installation.signingSecret,
        },
      });
      let output = '';
      for (const stream of [backend.stdout, backend.stderr]) {
        stream?.on('data', (chunk: Buffer) => (output += chunk.toString('utf8')));
      }
      backendUrl = await eventually(
        () => /http:\/\/localhost:\d+\//.exec(output)?.[0] ?? Promise.reject(new Error(output)),
      );
    });
    afterAll(() => void backend?.kill('SIGKILL'));
    afterEach(() => expect(browser.problems.splice(0)).toEqual([]));

    const text = (page: Page, selector: string) => page.locator(selector).textContent();
    const untilText = (page: Page, selector: string, wanted: string | RegExp) =>
      eventually(async () => expect(await text(page, selector)).toMatch(wanted));
    const submit = async (page: Page, label: string, words: string) => {
      await page.getByLabel(label, { exact: true }).fill(words);
      await page.getByLabel(label, { exact: true }).press('Enter');
    };

    it('has less than 200 lines', () => {
      const files = readdirSync(examples).filter((name) => !name.endsWith('.css'));
      const long = files.filter((name) => readFileSync(join(examples, name), 'utf8').split('\n').length > 200);
      expect(files).toEqual(expect.arrayContaining(['chat.html', 'dashboard.html', 'answers.html', 'server.mjs']));
      expect(long).toEqual([]);
    });

    it('a chat: members, typing, history and reactions, over a reload', async () => {
      const [one, other] = [await browser.open(`${backendUrl}chat.html`), await browser.open(`${backendUrl}chat.html`)];
      for (const page of [one, other]) await untilText(page, '#members', /Guest \d+.*, .*Guest \d+/);
      const [, name = ''] = /(Guest \d+) \(you\)/.exec((await text(one, '#members')) ?? '') ?? [];
      await one.getByLabel('Message', { exact: true }).pressSequentially('he');
      await untilText(other, '#typing', `${name} typing…`);
      await submit(one, 'Message', 'hello');
      for (const page of [one, other]) await untilText(page, '#messages li', `${name} hello`);
      await untilText(other, '#typing', /^$/);

      await other.locator('.reactions button', { hasText: '🎉' }).click();
      for (const page of [one, other]) await untilText(page, '.reactions', '🎉 1');
      await one.reload();
      await untilText(one, '.reactions', '🎉 1');
      await one.locator('.reactions button', { hasText: '🎉' }).click();
      await untilText(other, '.reactions', '🎉 2');
      await other.locator('.reactions button', { hasText: '🎉' }).click();
      await untilText(one, '.reactions', '🎉 1');
      expect(await one.locator('#messages li').count()).toBe(1);
      await one.close();
      await untilText(other, '#members', /^Guest \d+ \(you\)$/);
      await other.close();
    });

    it('a dashboard: what one tab sets, and what a backend measures, is in all of them', async () => {
      const [one, other] = [
        await browser.open(`${backendUrl}dashboard.html`),
        await browser.open(`${backendUrl}dashboard.html`),
      ];
      for (const page of [one, other]) await untilText(page, '#celsius', /^[\d.]+ °C$/);
      await one.getByLabel('Wanted').fill('23.5');
      await untilText(other, '#wanted', '23.5 °C');
      await other.getByLabel('Heating').uncheck();
      await eventually(async () => expect(await one.getByLabel('Heating').isChecked()).toBe(false));
      await one.getByLabel('Note').fill('too warm?');
      await eventually(async () => expect(await other.getByLabel('Note').inputValue()).toBe('too warm?'));
      await other.reload();
      await untilText(other, '#wanted', '23.5 °C');
      for (const page of [one, other]) await page.close();
    });

    it('an answer: each word once and in order in all tabs, also in one that was loaded anew meanwhile', async () => {
      const one = await browser.open(`${backendUrl}answers.html`);
      await eventually(() => expect(one.url()).toMatch(/#[\w-]{36}$/));
      const other = await browser.open(one.url());
      await submit(one, 'Question', 'Why?');
      await untilText(other, '.answer', /^You asked: “Why\?” I am/);
      await one.reload();
      for (const page of [one, other]) {
        await eventually(async () => expect(await page.locator('[data-state="complete"]').count()).toBe(1));
      }
      const said = await Promise.all([one, other].map((page) => text(page, '.answer')));
      expect(said[0]).toMatch(/^You asked: “Why\?” I am no model.* where the two meet\.$/);
      expect(said[1]).toBe(said[0]);
    });
  });
});
