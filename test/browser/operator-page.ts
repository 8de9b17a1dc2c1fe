import type { Page } from 'playwright-core';
import { eventually } from '../support/eventually';
import type { Browser } from './chromium';
import { API_KEY, type Installation } from './installation';

/** What a page must never take for HTML. */
export const HOSTILE =
  '<img src=x onerror="document.title=\'taken over\'"><script>document.title="taken over"</script>';

/** Whatever the tests of the operator's page share with those of the console. */
interface Shared {
  readonly installation: Installation;
  readonly browser: Browser;
  /** A connect token of the user `tester`. */
  readonly token: (more: Record<string, unknown>) => string;
  readonly rights: object;
}

/** The page for operators, with somebody on the console whom it is about. */
export function describeOperatorPage(shared: () => Shared): void {
  const open = async (more: string) => {
    const { installation, browser } = shared();
    return browser.open(`${installation.hearth.httpUrl}/console${more}`);
  };

  /** Somebody on the console, who has subscribed. */
  async function visit(channel: string): Promise<Page> {
    const { token, rights } = shared();
    const visitor = await open(`#token=${token({ channels: { [channel]: { ...rights, autoSubscribe: true } } })}`);
    await visitor.locator('#log .name', { hasText: 'hotsock.subscribed' }).waitFor();
    return visitor;
  }

  async function openOperator() {
    const page = await open('/operator');
    const press = (name: string, scope = 'body') =>
      page.locator(scope).getByRole('button', { name, exact: true }).click();
    const [title, items] = [page.locator('#list-title'), page.locator('#list > li')];
    return { page, press, title, items, first: items.first() };
  }

  it('shows who is in a presence channel, and goes on showing it', async () => {
    const { browser } = shared();
    const visitor = await visit('presence.room');
    const { page, press, title, items, first } = await openOperator();
    await page.getByLabel('Admin token or API key').fill(API_KEY);
    await press('Look');
    await eventually(async () => expect(await first.textContent()).toMatch(/^presence\.room.*1 subscribed, 1 member/));
    await first.locator('summary').click();
    await press('Members', '#list');
    await eventually(async () => expect(await title.textContent()).toBe('1 member now'));
    await first.locator('summary').click();
    const { token, rights } = shared();
    const another = await open(
      `#token=${token({ uid: 'another', umd: HOSTILE, channels: { 'presence.room': { ...rights, autoSubscribe: true } } })}`,
    );
    await eventually(async () => expect(await title.textContent()).toBe('2 members now'));
    expect(await items.nth(1).textContent()).toMatch(/^another"<img src=x/);
    // What was open stays open.
    expect(await first.locator('pre').textContent()).toContain('"tester"');
    await visitor.close();
    await eventually(async () => expect(await title.textContent()).toBe('1 member now'));
    expect(await first.textContent()).toMatch(/^another/);
    await another.close();
    await eventually(async () =>
      expect([await title.textContent(), await items.count()]).toEqual(['0 members now', 0]),
    );
    await page.close();
    expect(browser.problems.splice(0)).toEqual([]);
  });

  it('shows an operator who is there and what is scheduled, and ends what shall end', async () => {
    const { installation, browser } = shared();
    const visitor = await visit('room.1');
    await installation.publish({ channel: 'room.1', event: 'later', scheduleExpression: 'at(2099-01-01T00:00:00)' });

    const { page, press, title, first } = await openOperator();
    await page.getByLabel('Admin token or API key').fill('not the key at all');
    await press('Look');
    await eventually(async () => expect(await title.textContent()).toMatch(/^UNAUTHORIZED: /));
    await page.getByLabel('Admin token or API key').fill(API_KEY);
    await press('Look');
    await eventually(async () => expect(await first.textContent()).toMatch(/^room\.1.*1 subscribed/));

    // From a channel to its messages, and from one of them to who got it.
    await installation.publish({ channel: 'room.1', event: 'noted', data: HOSTILE, store: 600 });
    await first.locator('summary').click();
    await press('Stored messages', '#list');
    await eventually(async () => expect(await first.textContent()).toMatch(/^noted.*server · "<img src=x/));
    await first.locator('summary').click();
    await press('Who got it?', '#list');
    await eventually(async () => expect(await title.textContent()).toMatch(/^Which message/));
    expect(await page.evaluate('document.activeElement.name')).toBe('uid');
    await page.keyboard.insertText('tester');
    await page.keyboard.press('Enter');
    await eventually(async () => expect(await title.textContent()).toMatch(/^noted of .*at position \d+, stored\.$/));
    expect(await first.textContent()).toMatch(/Got it: it was written to its socket\.$/);
    await page.getByRole('radio', { name: 'Dead letters' }).check();
    await eventually(async () => expect(await title.textContent()).toBe('0 dead letters'));

    await page.getByRole('radio', { name: 'Schedules' }).check();
    await eventually(async () => expect(await first.textContent()).toMatch(/room\.1 · later · 2099-01-01/));
    await first.locator('summary').click();
    await press('Cancel', '#list');
    await press('Cancel: sure?', '#list');
    await eventually(async () => expect(await title.textContent()).toMatch(/: done$/));
    await press('List');
    await eventually(async () => expect(await title.textContent()).toBe('0 schedules'));

    await page.getByRole('radio', { name: 'Connections' }).check();
    await page.getByLabel('uid').fill('tester');
    await press('List');
    await eventually(async () => expect(await title.textContent()).toBe('1 connection'));
    await first.locator('summary').click();
    await eventually(async () => expect(await first.locator('pre').textContent()).toContain('"room.1"'));
    await press('Disconnect', '#list');
    await press('Disconnect: sure?', '#list');
    await eventually(async () =>
      expect(await visitor.getByLabel('State of the connection').textContent()).toBe('closed'),
    );
    await page.getByRole('radio', { name: 'Why not delivered?' }).check();
    await page.getByLabel('Channel', { exact: true }).fill('room.1');
    await page.getByLabel('uid', { exact: true }).fill('tester');
    await press('List');
    await eventually(async () =>
      expect(await first.textContent()).toMatch(/Got it: .* Ended at \S+Z with 4403 \S.*\.$/),
    );
    expect(await page.evaluate('JSON.stringify([{...sessionStorage}, {...localStorage}])')).not.toContain(API_KEY);
    await visitor.close();
    await page.close();
    browser.problems.splice(0);
  });
}
