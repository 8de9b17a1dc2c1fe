import { setTimeout as delay } from 'node:timers/promises';
import { connectToken, type GatewayUnderTest } from '../gateway/gateway-under-test';
import { startTestbed, type Testbed } from '../gateway/testbed';
import { eventually } from '../support/eventually';
import { connectToken as tokenOf, Testbed as Installation } from '../support/installation';
import { RawReader } from '../support/raw-reader';

/** Clients on slow links that come back together, to more than may wait for all of them (limits §2, `BACKLOG_BYTES`). */
const MIB = 1_048_576;
const MOST = 8 * MIB;
const CLIENTS = 16;
const PAYLOAD = 'x'.repeat(30_000);
/** Of each client; more than the system keeps for it. */
const MESSAGES = 200;
const CLAIMS = { channels: { '*': { subscribe: true, historyStart: 0 } } };
const OBSERVER = { channels: { s: { subscribe: true, storage: { '*': { observe: true } } } } };

let testbed: Testbed;
let installation: Installation;
beforeAll(async () => {
  [testbed, installation] = await Promise.all([
    startTestbed(),
    Installation.start({ HEARTH_LIMIT_BACKLOG_BYTES: `${MOST}` }),
  ]);
});
afterAll(() => Promise.all([testbed?.stop(), installation?.stop()]));

/** Clients that do not read until so much waits for all of them, and then read everything. */
async function readLate(
  clients: readonly RawReader[],
  text: () => Promise<string>,
  last: () => Promise<unknown>,
): Promise<void> {
  const reading = async (metric: string) => Number(new RegExp(`^${metric} (.*)$`, 'm').exec(await text())?.[1] ?? 0);
  const limited = () => reading('hearth_limited_total\\{limit="backlogBytes",answer="closed"\\}');
  await eventually(async () =>
    expect((await reading('hearth_backlog_bytes')) + (await limited())).toBeGreaterThan(0.3 * MOST),
  );
  // What is too much is looked at ten times a second.
  await delay(500);
  expect(await limited()).toBe(0);
  for (const client of clients) client.resume();
  await last();
  await eventually(() => {
    for (const { tail } of clients) expect(tail.toString('latin1')).toContain('"last"');
  });
  expect(await limited()).toBe(0);
  for (const client of clients) client.close();
}

/** Opens clients that read nothing once they are subscribed. */
function openStalled(url: string, token: string, channel: string, data?: object): Promise<RawReader[]> {
  const open = async (): Promise<RawReader> => {
    const client = await RawReader.open(url, token, channel, data);
    client.pause();
    return client;
  };
  return Promise.all(Array.from({ length: CLIENTS }, open));
}

it.each([
  ['resume', (after: string) => ({ resume: { after } })],
  ['after', (after: string) => ({ after })],
])('none is closed of those that come back with `%s`', async (way, pointAt) => {
  const gateway: GatewayUnderTest = await testbed.anotherGateway({ limitBacklogBytes: MOST });
  const after = await testbed.sequencer.publish(way, 'seen');
  for (let n = 0; n < MESSAGES; n++) await testbed.sequencer.publish(way, PAYLOAD);
  const clients = await openStalled(gateway.wsUrl, connectToken(CLAIMS), way, pointAt(after));
  await readLate(
    clients,
    () => gateway.metrics.text(),
    () => testbed.sequencer.publish(way, 'last'),
  );
});

it('none is closed of those that observe storage', async () => {
  const [gateway] = installation.gateways;
  const document = (key: string) => ({ channel: 's', event: 'hotsock.channelStorageSet', key, data: PAYLOAD });
  await installation.publish(...Array.from({ length: MESSAGES }, (_, n) => document(`${n}`)));
  const clients = await openStalled(gateway!.wsUrl, tokenOf(OBSERVER), 's');
  await readLate(
    clients,
    async () => (await fetch(`http://127.0.0.1:${gateway!.adminPort}/metrics`)).text(),
    () => installation.publish({ channel: 's', event: 'e', data: 'last' }),
  );
});
