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

describe('eager ids, which are not in the order of delivery', () => {
  const minutes = (count: number) => firstIdOf(Date.now() + count * 60_000);

  it('leave no gap: a message with a smaller id than the one before it is sent too', async () => {
    const client = await testbed.gateway.connect(HISTORY);
    const after = await publish('e1', upTo(3));
    await testbed.sequencer.publish('e1', 3, { id: minutes(-1) });
    await publish('e1', [4]);
    expect(await subscribe(client, 'e1', { after })).toMatchObject({ data: { resume: { complete: true } } });
    await eventually(() => expect(numbers(client)).toEqual([3, 4]));
    await client.close();
  });

  it('leave no repeat: what was delivered before the message is not sent again, though its id is greater', async () => {
    const client = await testbed.gateway.connect(HISTORY);
    await publish('e2', upTo(3));
    const after = await testbed.sequencer.publish('e2', 3, { id: minutes(-1) });
    await publish('e2', [4]);
    expect(await subscribe(client, 'e2', { after })).toMatchObject({ data: { resume: { complete: true } } });
    await eventually(() => expect(numbers(client)).toEqual([4]));
    await client.close();
  });

  it('may be of another time than their delivery', async () => {
    for (const offset of [-30, 5]) {
      const [client, channel] = [await testbed.gateway.connect(HISTORY), `e3.${offset}`];
      await publish(channel, [0]);
      const after = await testbed.sequencer.publish(channel, 1, { id: minutes(offset) });
      await publish(channel, upTo(3, 2));
      expect(await subscribe(client, channel, { after })).toMatchObject({ data: { resume: { complete: true } } });
      await publish(channel, [5]);
      await eventually(() => expect(numbers(client)).toEqual([2, 3, 4, 5]));
      await client.close();
    }
  });

  it('that a user was shown allow it to see what came after them, whatever they look like', async () => {
    for (const offset of [-5, 5]) {
      const [claims, channel] = [{ ...EVERYTHING, uid: `e4.${offset}` }, `e4.${offset}`];
      const first = await testbed.gateway.connect(claims);
      await subscribe(first, channel);
      const shown = [
        await testbed.sequencer.publish(channel, 0, { id: minutes(offset) }),
        await publish(channel, [1]),
        await testbed.sequencer.publish(channel, 2, { id: minutes(-offset) }),
      ];
      await eventually(() => expect(numbers(first)).toEqual([0, 1, 2]));
      await first.close();
      await publish(channel, [3]);
      for (const [index, after] of shown.entries()) {
        const again = await testbed.gateway.connect(claims);
        expect(await subscribe(again, channel, { after })).toMatchObject({ data: { resume: { complete: true } } });
        await eventually(() => expect(numbers(again)).toEqual(upTo(3 - index, index + 1)));
        await again.close();
      }
    }
  });

  it('of messages before a subscription allow nothing, although they are younger', async () => {
    const claims = { ...EVERYTHING, uid: 'e5' };
    const after = await testbed.sequencer.publish('e5', 0, { id: minutes(1) });
    await publish('e5', [1]);
    const first = await testbed.gateway.connect(claims);
    await subscribe(first, 'e5');
    await publish('e5', [2]);
    await eventually(() => expect(numbers(first)).toEqual([2]));
    await first.close();
    // Only what the user was shown itself proves that it may see what follows; the message before it does not.
    const again = await testbed.gateway.connect(claims);
    expect(await subscribe(again, 'e5', { after })).toMatchObject({ data: { resume: { complete: false } } });
    await publish('e5', [3]);
    await eventually(() => expect(numbers(again)).toEqual([3]));
    await again.close();
  });

  it('say nothing when there is no such message: then it is not complete', async () => {
    const client = await testbed.gateway.connect(HISTORY);
    await publish('e6', [0]);
    const after = firstIdOf(Date.now()).slice(0, -1) + '1';
    await testbed.sequencer.publish('e6', 1, { id: minutes(1) });
    expect(await subscribe(client, 'e6', { after })).toMatchObject({ data: { resume: { complete: false } } });
    await publish('e6', [2]);
    await eventually(() => expect(numbers(client)).toContain(2));
    await client.close();
  });

  it('do not confuse a gateway that is behind the one where the message was seen', async () => {
    const { sequencer, gateway } = testbed;
    const [witness, client] = [await gateway.connect(HISTORY), await gateway.connect(HISTORY)];
    await subscribe(witness, 'e7');
    await publish('e7', [0, 1]);
    await eventually(() => expect(numbers(witness)).toEqual([0, 1]));
    // Number 2 is missing, so the channel waits with 3, which the stream holds already.
    const late = sequencer.next('e7', 2);
    const seen = sequencer.next('e7', 3, { id: minutes(-1) });
    await sequencer.send(seen);
    await subscribe(client, 'e7', { after: seen.id });
    await sequencer.send(late);
    await sequencer.publish('e7', 4, { id: minutes(-2) });
    await eventually(() => expect(numbers(client)).toContain(4));
    expect(numbers(client)).toEqual([4]);
    await eventually(() => expect(numbers(witness)).toEqual(upTo(5)));
    await Promise.all([witness.close(), client.close()]);
  });
});

it('does not send a connection its own messages without echo, and is complete all the same', async () => {
  const own = { channels: { '*': { subscribe: true, messages: { '*': { publish: true } } } }, uid: 'o1' };
  const [client, other] = [await testbed.gateway.connect(own), await testbed.gateway.connect(HISTORY)];
  await Promise.all([subscribe(client, 'o1'), subscribe(other, 'o1')]);
  const after = await publish('o1', [0]);
  await client.next('e');
  client.send({ event: 'e', channel: 'o1', data: 'own' });
  await eventually(() => expect(numbers(other)).toEqual([0, 'own']));
  client.send({ event: 'hotsock.unsubscribe', channel: 'o1' });
  await client.next('hotsock.unsubscribed');
  await publish('o1', [1]);
  expect(await subscribe(client, 'o1', { after })).toMatchObject({ data: { resume: { complete: true } } });
  await eventually(() => expect(numbers(client)).toEqual([0, 1]));
  // Another connection of the same user never had it.
  const again = await testbed.gateway.connect(own);
  await subscribe(again, 'o1', { after });
  await eventually(() => expect(numbers(again)).toEqual(['own', 1]));
  await Promise.all([client.close(), other.close(), again.close()]);
});

it('refuses what is no message id', async () => {
  const client = await testbed.gateway.connect(HISTORY);
  client.send({ event: 'hotsock.subscribe', channel: 'r8', data: { after: 'x' } });
  expect(await client.next('hotsock.error')).toMatchObject({ channel: 'r8', error: { code: 'INVALID_TYPE' } });
  await client.close();
});
