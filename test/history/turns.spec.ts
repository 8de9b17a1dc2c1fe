import { once } from 'node:events';
import { request } from 'node:http';
import { type Client, Testbed } from '../support/installation';

let testbed: Testbed;
beforeAll(async () => {
  // So that the last page is in time on a busy machine, too.
  testbed = await Testbed.start({ HEARTH_DATABASE_POOL: '2', HEARTH_HTTP_TIMEOUT_MS: '60000' });
});
afterAll(() => testbed?.stop());

const PAGES = 120;

/** Asks for a page of history, and drops it: to look at all of them would take longer than to make them. */
async function askForPage({ url, query }: Client, channel: string): Promise<void> {
  const sent = request(`${url}listMessages${query}`, { method: 'POST', agent: false }).end(JSON.stringify({ channel }));
  const [answer] = await once(sent, 'response');
  answer.resume();
  expect(answer.statusCode).toBe(200);
}

it('who asks for one page does not wait for all those that somebody else has asked for at once (limits §5)', async () => {
  await testbed.store('large', ...Array.from({ length: 40 }, (_, n) => `${n}`.padEnd(30_000)));
  await testbed.store('small', 1);
  const reader = (uid: string) => testbed.connect({ uid, channels: { '*': { historyStart: 0 } } });
  const [greedy, modest] = await Promise.all([reader('greedy'), reader('modest')]);
  let answered = 0;
  const pages = Array.from({ length: PAGES }, () => askForPage(greedy, 'large').then(() => answered++));
  // They have all been asked for when the first is there.
  await Promise.race(pages);
  expect(await modest.list({ channel: 'small' })).toHaveLength(1);
  expect(answered).toBeLessThan(PAGES / 2);
  await Promise.all(pages);
});
