import { firstIdOf } from '@hearth/protocol';
import { eventually } from '../support/eventually';
import type { WsClient } from '../support/ws-client';
import { EVERYTHING, subscribe } from './gateway-under-test';
import { startTestbed, type Testbed } from './testbed';

/** `hotsock.subscribe` with `data.after` (websocket-protocol §12, promises R3, R5). */
let testbed: Testbed;

beforeAll(async () => {
  testbed = await startTestbed();
});
afterAll(() => testbed?.stop());

const HISTORY = { channels: { '*': { subscribe: true, historyStart: 0 } } };
const numbers = (client: WsClient) => client.frames.filter(({ event }) => event === 'e').map(({ data }) => data);
const upTo = (count: number, from = 0) => Array.from({ length: count }, (_, n) => from + n);

async function publish(channel: string, data: readonly unknown[]): Promise<string> {
  let last = '';
  for (const each of data) last = await testbed.sequencer.publish(channel, each);
  return last;
}

it('sends what was missed right after hotsock.subscribed, then goes on live', async () => {
  const client = await testbed.gateway.connect(HISTORY);
  const after = await publish('r1', upTo(5));
  await publish('r1', upTo(5, 5));
  expect(await subscribe(client, 'r1', { after })).toMatchObject({ data: { resume: { complete: true } } });
  await publish('r1', upTo(5, 10));
  await eventually(() => expect(numbers(client)).toEqual(upTo(10, 5)));
  expect(client.texts[1]).toBe(
    '{"event":"hotsock.subscribed","channel":"r1","data":{"resume":{"complete":true}},"meta":{"uid":null,"umd":null}}',
  );
  await client.close();
});

it('has neither gap nor repeat in 200 resumes under load', async () => {
  let [n, running] = [0, true];
  const pump = (async () => {
    while (running) await Promise.all([testbed.sequencer.publish('r2', n++), testbed.sequencer.publish('r2', n++)]);
  })();
  const first = await testbed.gateway.connect(HISTORY);
  await subscribe(first, 'r2');
  await eventually(() => expect(numbers(first).length).toBeGreaterThan(3));
  let [client, seen, after] = [first, [] as number[], ''];
  for (let round = 0; round < 200; round++) {
    await client.close();
    seen.push(...numbers(client));
    after = client.frames.filter(({ event }) => event === 'e').at(-1)?.id ?? after;
    client = await testbed.gateway.connect(HISTORY);
    expect(await subscribe(client, 'r2', { after })).toMatchObject({ data: { resume: { complete: true } } });
  }
  running = false;
  await pump;
  await eventually(() => expect(numbers(client).at(-1) ?? seen.at(-1)).toBe(n - 1));
  seen = [...seen, ...numbers(client)];
  expect(seen).toEqual(upTo(n - (seen[0] ?? 0), seen[0]));
  await client.close();
}, 60_000);

it('says that it is not complete when the stream does not reach back to the message', async () => {
  const client = await testbed.gateway.connect(HISTORY);
  await publish('r3', upTo(3));
  const after = firstIdOf(Date.now() - 60_000);
  expect(await subscribe(client, 'r3', { after })).toMatchObject({ data: { resume: { complete: false } } });
  await eventually(() => expect(numbers(client)).toEqual(upTo(3)));
  await client.close();
});

it('is complete when nothing was missed', async () => {
  const client = await testbed.gateway.connect(HISTORY);
  const after = await publish('r4', [0]);
  expect(await subscribe(client, 'r4', { after })).toMatchObject({ data: { resume: { complete: true } } });
  await publish('r4', [1]);
  await eventually(() => expect(numbers(client)).toEqual([1]));
  await client.close();
});

it('shows nothing to a client that could not have seen it', async () => {
  const client = await testbed.gateway.connect({ ...EVERYTHING, uid: 'stranger' });
  const after = await publish('r5', [0]);
  await publish('r5', [1, 2]);
  expect(await subscribe(client, 'r5', { after })).toMatchObject({ data: { resume: { complete: false } } });
  await publish('r5', [3]);
  await eventually(() => expect(numbers(client)).toEqual([3]));
  await client.close();
});

it('shows a user what came after a message it was given, without historyStart', async () => {
  const first = await testbed.gateway.connect({ ...EVERYTHING, uid: 'u1' });
  await subscribe(first, 'r6');
  const after = await publish('r6', [0]);
  await first.next('e');
  await first.close();
  await publish('r6', [1, 2]);
  const again = await testbed.gateway.connect({ ...EVERYTHING, uid: 'u1' });
  expect(await subscribe(again, 'r6', { after })).toMatchObject({ data: { resume: { complete: true } } });
  await eventually(() => expect(numbers(again)).toEqual([1, 2]));
  await again.close();
});

it('sends at most the newest 1,000 and says so', async () => {
  const client = await testbed.gateway.connect(HISTORY);
  const after = await publish('r7', [0]);
  await Promise.all(upTo(1_200, 1).map((n) => testbed.sequencer.publish('r7', n)));
  expect(await subscribe(client, 'r7', { after })).toMatchObject({ data: { resume: { complete: false } } });
  await eventually(() => expect(numbers(client)).toEqual(upTo(1_000, 201)));
  await client.close();
});

it('refuses what is no message id', async () => {
  const client = await testbed.gateway.connect(HISTORY);
  client.send({ event: 'hotsock.subscribe', channel: 'r8', data: { after: 'x' } });
  expect(await client.next('hotsock.error')).toMatchObject({ channel: 'r8', error: { code: 'INVALID_TYPE' } });
  await client.close();
});
