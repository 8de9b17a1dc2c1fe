import { once } from 'node:events';
import { request } from 'node:http';
import { Client as PgClient } from 'pg';
import { Client, Testbed } from '../support/installation';
import { TcpProxy } from '../support/tcp-proxy';

let testbed: Testbed;
beforeAll(async () => {
  // So that the last page is in time on a busy machine, too.
  testbed = await Testbed.start({ HEARTH_DATABASE_POOL: '2', HEARTH_HTTP_TIMEOUT_MS: '60000' });
  await testbed.store('large', ...Array.from({ length: 40 }, (_, n) => `${n}`.padEnd(30_000)));
  await testbed.store('small', 1);
});
afterAll(() => testbed?.stop());

const PAGES = 120;
const LEAVERS = 16;
const MIB = 1_048_576;

/** Asks for a page of history, and drops it: to look at all of them would take longer than to make them. */
async function askForPage({ url, query }: Client, channel: string): Promise<void> {
  const sent = request(`${url}listMessages${query}`, { method: 'POST', agent: false }).end(JSON.stringify({ channel }));
  const [answer] = await once(sent, 'response');
  answer.resume();
  expect(answer.statusCode).toBe(200);
}

it('who asks for one page does not wait for all those that somebody else has asked for at once (limits §5)', async () => {
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

/** Leads to the database, and counts what that answers. */
async function proxied(): Promise<{ proxy: TcpProxy; env: { HEARTH_DATABASE_URL: string } }> {
  const url = new URL(testbed.database.url);
  const proxy = await TcpProxy.start(Number(url.port));
  url.host = `127.0.0.1:${proxy.port}`;
  return { proxy, env: { HEARTH_DATABASE_URL: url.href } };
}

/** Nobody can read the table until the end of this. */
async function lock(table: string): Promise<{ release: () => Promise<void> }> {
  const sql = new PgClient(testbed.database.url);
  await sql.connect();
  await sql.query(`begin; lock table ${table}`);
  return { release: () => sql.end() };
}

it('a page for which nobody waits any more is not read', async () => {
  const { proxy, env } = await proxied();
  const history = await testbed.add('history', env);
  const open = () => Client.open(testbed.app('gateway'), history, { channels: { '*': { historyStart: 0 } } });
  const [modest, ...leavers] = await Promise.all([open(), ...Array.from({ length: LEAVERS }, open)]);
  /** What was sent before has come when the answer of the same gateway to this is there, which reads nothing. */
  const settled = async (): Promise<void> => {
    expect(await modest.call('publishMessage', { channel: 'small', event: 'e' })).toMatchObject({ status: 403 });
  };
  const { release } = await lock('message_log');
  const sent = leavers.map(({ url, query }) =>
    request(`${url}listMessages${query}`, { method: 'POST', agent: false })
      .on('error', () => undefined)
      .end('{"channel":"large"}'),
  );
  await settled();
  for (const one of sent) one.destroy();
  await settled();
  const before = proxy.answered;
  const page = modest.list({ channel: 'small' });
  await settled();
  await release();
  expect(await page).toHaveLength(1);
  // The one that was being read, and not all of them.
  expect(proxy.answered - before).toBeLessThan(3 * MIB);
  await proxy.stop();
});

it('storage that nobody observes any more is not read', async () => {
  const { proxy, env } = await proxied();
  const data = 'x'.repeat(30_000);
  const channels = Array.from({ length: 1 + LEAVERS }, (_, n) => `s${n}`);
  await testbed.publish(
    ...channels.map((channel) => ({ channel, event: 'hotsock.channelStorageSet', key: 'k', data })),
  );
  const gateway = await testbed.add('gateway', env);
  const open = () =>
    testbed.connect({ channels: { '*': { subscribe: true, storage: { k: { observe: true } } } } }, gateway);
  const [stayer, ...leavers] = await Promise.all([open(), ...Array.from({ length: LEAVERS }, open)]);
  const { release } = await lock('channel_storage');
  await Promise.all(leavers.map((leaver, n) => leaver.subscribe(channels[n]!)));
  await Promise.all(leavers.map(({ ws }) => ws.close()));
  const before = proxy.answered;
  await stayer.subscribe(channels[LEAVERS]!);
  await release();
  expect(await stayer.ws.next('hotsock.channelStorageUpdated')).toMatchObject({ data });
  expect(proxy.answered - before).toBeLessThan((LEAVERS / 2) * data.length);
  await proxy.stop();
});
