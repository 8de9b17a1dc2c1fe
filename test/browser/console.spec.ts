import type { Page } from 'playwright-core';
import { eventually } from '../support/eventually';
import { type Browser, describeInBrowser, startChromium } from './chromium';
import { type Installation, startInstallation } from './installation';
import { type Row, rowsOf } from './log-rows';
import { describeOperatorPage, HOSTILE } from './operator-page';

describeInBrowser('the web console', (executable) => {
  let installation: Installation;
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    installation = await startInstallation();
    browser = await startChromium(executable);
  });
  afterAll(async () => {
    await browser?.close();
    await installation?.stop();
  });
  afterEach(async () => {
    await page?.close();
    expect(browser.problems.splice(0)).toEqual([]);
  });

  const rights = { subscribe: true, historyStart: 0, messages: { '*': { publish: true, echo: true, store: 600 } } };
  const connectToken = (more: Record<string, unknown> = {}) =>
    installation.token({ uid: 'tester', channels: { 'room.1': rights }, ...more });

  const open = async (more = '') => (page = await browser.open(`${installation.hearth.httpUrl}/console${more}`));
  const state = () => page.getByLabel('State of the connection').textContent();
  const untilState = (wanted: string) => eventually(async () => expect(await state()).toBe(wanted));
  const enterToken = (token: string) => page.getByLabel('Connect token').fill(token);
  const press = (name: string, scope = 'body') =>
    page.locator(scope).getByRole('button', { name, exact: true }).click();
  const unfold = (name: string) => page.locator('summary', { hasText: name }).click();

  async function openConnected(more: Record<string, unknown> = {}): Promise<void> {
    await open();
    await enterToken(connectToken(more));
    await untilState('connected');
  }

  const rows = () => rowsOf(page);
  const untilRow = (row: Partial<Row>) =>
    eventually(async () => expect(await rows()).toContainEqual(expect.objectContaining(row)));
  /** The frames sent so far, parsed. */
  const sent = async () =>
    (await rows()).filter(({ direction }) => direction === 'sent').map(({ wire }) => JSON.parse(wire));

  async function subscribeTo(): Promise<void> {
    await unfold('Subscribe, unsubscribe');
    await press('Subscribe', '#subscribe-form');
  }

  async function subscribe(): Promise<void> {
    await subscribeTo();
    await untilRow({ direction: 'received', name: 'hotsock.subscribed' });
  }

  it('loads nothing from elsewhere, and takes no text for code', async () => {
    await open();
    const urls: string[] = [];
    page.on('request', (request) => urls.push(request.url()));
    await page.reload();
    await eventually(() => expect(urls.some((url) => url.endsWith('/console/main.js'))).toBe(true));
    expect(urls.filter((url) => !url.startsWith(`${installation.hearth.httpUrl}/console`))).toEqual([]);
    const attempt =
      "(() => { try { document.body.innerHTML = '<b>x</b>'; return 'done'; } catch (e) { return e.name; } })()";
    expect(await page.evaluate(attempt)).toBe('TypeError');
    browser.problems.splice(0);
  });

  it('shows the claims of a token and connects without being told to', async () => {
    await open();
    await enterToken('not a token');
    await eventually(async () => expect(await page.locator('#token-note').textContent()).toMatch(/not a token/));
    expect(await state()).toBe('not connected');
    await enterToken(connectToken({ umd: { name: 'Zoë' } }));
    await untilState('connected');
    expect(JSON.parse((await page.locator('#claims-text').textContent()) ?? '')).toMatchObject({
      uid: 'tester',
      umd: { name: 'Zoë' },
      channels: { 'room.1': rights },
    });
    expect(await page.getByLabel('Channel', { exact: true }).inputValue()).toBe('room.1');
    await untilRow({ direction: 'received', name: 'hotsock.connected' });
  });

  it('says why a token cannot work, and does not try it', async () => {
    await open();
    await enterToken(connectToken({ exp: 1_700_000_000 }));
    await eventually(async () => expect(await page.locator('#token-note').textContent()).toMatch(/expired/));
    expect([await state(), await rows()]).toEqual(['not connected', []]);
  });

  it('tells that a token was refused', async () => {
    await open();
    const [header, claims] = connectToken().split('.');
    await enterToken(`${header}.${claims}.AAAA`);
    await untilState('closed');
    await untilRow({ direction: 'note', name: 'refused', text: '4401 INVALID_CONNECT_TOKEN' });
  });

  it('subscribes, sends by both ways, and logs what comes back, each with its milliseconds', async () => {
    await openConnected();
    await subscribe();
    await page.getByLabel('Event').fill('chat');
    // Too large for a number of JavaScript: it must not be changed on its way.
    await page.getByLabel('Data', { exact: true }).fill('{"n": 12345678901234567890}');
    await press('Send', '#message-form');
    await untilRow({ direction: 'sent', name: 'chat', text: 'room.1 {"n": 12345678901234567890}' });
    await eventually(async () => {
      const [echo] = (await rows()).filter(({ direction, name }) => direction === 'received' && name === 'chat');
      expect(echo?.text).toContain('12345678901234567890');
    });

    await page.getByLabel('Data', { exact: true }).fill('plain words');
    await page.locator('#message-form').getByLabel('HTTP API').check();
    await press('Send', '#message-form');
    await untilRow({ direction: 'sent', name: 'POST publishMessage' });
    await untilRow({ direction: 'received', name: '202 publishMessage' });
    await untilRow({ direction: 'received', name: 'chat', text: expect.stringContaining('"plain words"') });

    await page.getByLabel('Data', { exact: true }).fill('{"broken": ');
    const before = await rows();
    await press('Send', '#message-form');
    expect(await page.locator('#message-data:invalid').count()).toBe(1);
    expect(await rows()).toEqual(before);

    for (const time of await page.locator('#log time').allTextContents())
      expect(time).toMatch(/^\d\d:\d\d:\d\d\.\d{3}$/);
  });

  it('sends every other frame as the protocol has it', async () => {
    await openConnected();
    await press('Ping');
    await untilRow({ direction: 'received', name: 'hotsock.pong' });
    await press('Heartbeat');
    await unfold('Storage');
    await page.getByLabel('Key', { exact: true }).fill('status');
    await press('Get', '#storage-form');
    await page.getByLabel('Data to set').fill('[1, "x"]');
    await press('Set', '#storage-form');
    await unfold('Reaction');
    await page.getByLabel('Message id').fill('01J9ZZZZZZZZZZZZZZZZZZZZZZ');
    await press('Add', '#reaction-form');
    await press('Remove', '#reaction-form');
    await unfold('Subscribe, unsubscribe');
    await page.getByLabel('Subscribe token').fill('a.b.c');
    await press('Subscribe', '#subscribe-form');
    await press('Unsubscribe', '#subscribe-form');
    await unfold('Raw message');
    await page.getByLabel('Text, sent as it is').fill('no JSON');
    await press('Send', '#raw-form');
    await untilRow({ direction: 'sent', name: 'raw', text: 'no JSON' });
    const frames = (await rows()).filter(({ direction, name }) => direction === 'sent' && name !== 'raw');
    const channel = 'room.1';
    const reaction = { messageId: '01J9ZZZZZZZZZZZZZZZZZZZZZZ', reaction: '👍' };
    expect(frames.map(({ wire }) => JSON.parse(wire))).toEqual([
      { event: 'hotsock.ping' },
      { event: 'hotsock.heartbeat' },
      { event: 'hotsock.channelStorageGet', channel, key: 'status' },
      { event: 'hotsock.channelStorageSet', channel, key: 'status', data: [1, 'x'] },
      { event: 'hotsock.messageReaction', channel, data: { ...reaction, action: 'add' } },
      { event: 'hotsock.messageReaction', channel, data: { ...reaction, action: 'remove' } },
      { event: 'hotsock.subscribe', channel, data: { token: 'a.b.c' } },
      { event: 'hotsock.unsubscribe', channel },
    ]);
    await untilRow({ name: 'hotsock.error', text: expect.stringContaining('INVALID_SUBSCRIBE_TOKEN') });
  });

  it('calls any operation of the HTTP API with a raw body, and fills in what to react to', async () => {
    await installation.publish({ channel: 'room.1', event: 'stored', data: 'kept', store: 600 });
    await openConnected();
    await subscribe();
    await unfold('Raw message');
    await page.locator('#raw-form').getByLabel('HTTP API', { exact: true }).check();
    await page.getByLabel('Operation of the HTTP API').selectOption('listMessages');
    await page.getByLabel('Text, sent as it is').fill('{"channel":"room.1","reverse":true}');
    await press('Send', '#raw-form');
    await untilRow({ direction: 'received', name: '200 listMessages', text: expect.stringContaining('"stored"') });

    await installation.publish({ channel: 'room.1', event: 'live', data: 1 });
    await untilRow({ name: 'live' });
    await page.locator('#log summary', { hasText: 'live' }).click();
    await press('React to it', '#log');
    expect(await page.getByLabel('Message id').inputValue()).toMatch(/^[0-9A-Z]{26}$/);
  });

  it('shows hostile text as text', async () => {
    await openConnected({ umd: HOSTILE, channels: { 'room.1': rights, [HOSTILE]: rights } });
    await subscribe();
    await installation.publish({ channel: 'room.1', event: 'attack', data: { [HOSTILE]: [HOSTILE] } });
    await untilRow({ name: 'attack', text: expect.stringContaining('<img src=x') });
    await page.locator('#log summary', { hasText: 'attack' }).click();
    await eventually(async () => expect(await page.locator('#log pre').textContent()).toContain('<script>'));
    expect(await page.locator('img:not(header img), main script').count()).toBe(0);
    expect(await page.title()).toBe('Hearth console');
  });

  it('filters its log, clears it, and keeps it over a new connection if asked to', async () => {
    await openConnected();
    await press('Ping');
    await untilRow({ name: 'hotsock.pong' });
    const names = async () => (await rows()).map(({ name }) => name);
    const log = page.locator('.log');
    await log.getByRole('radio', { name: 'Sent' }).check();
    expect(await names()).toEqual(['hotsock.ping']);
    await log.getByRole('radio', { name: 'Received' }).check();
    expect(await names()).toEqual(['hotsock.connected', 'hotsock.pong']);
    await log.getByRole('radio', { name: 'All' }).check();
    await log.getByLabel('Filter by text').fill('PONG');
    expect(await names()).toEqual(['hotsock.pong']);
    await log.getByLabel('Filter by text').fill('');

    await log.getByLabel('Preserve').check();
    await press('Connect');
    await eventually(async () => expect(await names()).toContain('closed'));
    expect(await names()).toContain('hotsock.ping');
    await untilState('connected');
    await log.getByLabel('Preserve').uncheck();
    await press('Connect');
    await eventually(async () => expect(await names()).not.toContain('hotsock.ping'));
    await untilState('connected');
    await press('Clear', '.log');
    expect(await rows()).toEqual([]);
  });

  it('suspends and goes on with its subscriptions, and terminates for good', async () => {
    await openConnected();
    await subscribe();
    await press('Suspend');
    await untilState('suspended');
    expect(await page.getByRole('button', { name: 'Ping' }).isDisabled()).toBe(true);
    await press('Resume');
    await untilState('connected');
    await eventually(async () => {
      const subscribed = (await rows()).filter(({ name }) => name === 'hotsock.subscribed');
      expect(subscribed).toHaveLength(2);
    });
    await installation.publish({ channel: 'room.1', event: 'after-pause' });
    await untilRow({ name: 'after-pause' });
    await press('Terminate');
    await untilState('closed');
    expect(await page.getByRole('button', { name: 'Suspend' }).isDisabled()).toBe(true);
  });

  it('keeps a token for the tab only if asked to, and nowhere else', async () => {
    await openConnected();
    const token = await page.getByLabel('Connect token').inputValue();
    const kept = () =>
      page.evaluate('JSON.stringify([location.href, {...sessionStorage}, {...localStorage}, document.cookie])');
    expect(await kept()).not.toContain(token);
    await page.getByLabel('Keep it until this tab is closed').check();
    await page.reload();
    await untilState('connected');
    expect(await page.evaluate('JSON.stringify([location.href, {...localStorage}, document.cookie])')).not.toContain(
      token,
    );
    await page.getByLabel('Keep it until this tab is closed').uncheck();
    expect(await kept()).not.toContain(token);
  });

  it('is connected by the link that a start prints, and forgets that it had a token in its address', async () => {
    const token = connectToken({ channels: { 'room.1': { ...rights, autoSubscribe: true } } });
    await open(`#token=${token}`);
    await untilRow({ name: 'hotsock.subscribed' });
    expect(await page.evaluate('location.href')).not.toContain(token);
    await installation.publish({ channel: 'room.1', event: 'live', data: { n: 1 } });
    await untilRow({ name: 'live', text: 'room.1 {"n": 1}' });
    await page.reload();
    await untilState('connected');
  });

  it('tells code and message of an error, and counts its entries', async () => {
    await openConnected();
    expect(await page.locator('#count').textContent()).toBe('1 entry');
    await page.getByLabel('Channel', { exact: true }).fill('forbidden');
    await subscribeTo();
    await untilRow({ name: 'hotsock.error', text: expect.stringMatching(/^forbidden SUBSCRIBE_PERMISSION_DENIED: ./) });
    expect(await page.locator('#count').textContent()).toBe('3 entries');
  });

  it.each([
    [390, 844],
    [1280, 800],
    [1920, 1080],
  ])('has Send and the newest lines on a screen of %i to %i pixels', async (width, height) => {
    await openConnected({ channels: { 'room.1': { ...rights, autoSubscribe: true } } });
    await page.setViewportSize({ width, height });
    await untilRow({ name: 'hotsock.subscribed' });
    for (let n = 0; n < 60; n += 1) await installation.publish({ channel: 'room.1', event: `e${n}`, data: n });
    await untilRow({ name: 'e59' });
    for (const seen of [page.locator('#log > li').last(), page.getByRole('button', { name: 'Send' }).first()]) {
      const box = await seen.boundingBox();
      expect((box?.y ?? Infinity) + (box?.height ?? Infinity)).toBeLessThanOrEqual(height);
      expect((box?.x ?? Infinity) + (box?.width ?? Infinity)).toBeLessThanOrEqual(width);
    }
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width);
  });

  it('connects to the address in its link, but not to another host before the user has agreed', async () => {
    await open(`?wssUrl=${encodeURIComponent(installation.hearth.wsUrl)}`);
    await enterToken(connectToken());
    await untilState('connected');
    await page.close();

    const elsewhere = installation.hearth.wsUrl.replace('127.0.0.1', 'localhost');
    await open(`?wssUrl=${encodeURIComponent(elsewhere)}`);
    expect(await page.getByRole('alert').textContent()).toContain('localhost');
    const sockets: string[] = [];
    page.on('websocket', (socket) => sockets.push(socket.url()));
    await enterToken(connectToken());
    await eventually(async () => expect(await page.locator('#claims').isVisible()).toBe(true));
    expect([await state(), sockets]).toEqual(['not connected', []]);
    await press('Connect there all the same');
    await untilState('connected');
    expect(sockets[0]).toMatch(/^ws:\/\/localhost:/);
  });

  it.each(['javascript:alert(1)', 'https://example.com', 'nonsense'])('refuses the address %s', async (address) => {
    await open(`?wssUrl=${encodeURIComponent(address)}`);
    expect(await page.locator('#token-note').textContent()).toMatch(/must begin with ws/);
    await enterToken(connectToken());
    await eventually(async () => expect(await page.locator('#claims').isVisible()).toBe(true));
    expect(await state()).toBe('not connected');
  });

  it('can be used with the keyboard alone, and names every control', async () => {
    await open();
    const unnamed = `[...document.querySelectorAll('input, textarea, select, button')]
      .filter((control) => !control.labels?.length && !control.ariaLabel && !control.textContent.trim())
      .map(({ id }) => id)`;
    expect(await page.evaluate(unnamed)).toEqual([]);
    // Past the link to the other page.
    for (let n = 0; n < 2; n += 1) await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.id')).toBe('token');
    await page.keyboard.insertText(connectToken());
    await untilState('connected');
    await page.getByLabel('Data', { exact: true }).focus();
    await page.keyboard.insertText('1');
    await page.keyboard.press('Control+Enter');
    await eventually(async () => expect(await sent()).toEqual([{ channel: 'room.1', event: 'message', data: 1 }]));
  });

  describeOperatorPage(() => ({ installation, browser, token: connectToken, rights }));
});
