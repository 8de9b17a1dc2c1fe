import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { firstIdOf, messageId } from '@hearth/protocol';
import { DELIVER_STREAM, deliverSubject } from '@hearth/wire';
import { appendMessages, type Database, type LogRow, openDatabase } from '@hearth/store';
import { WebSocket } from 'ws';
import { logRow } from '../store/log-row';
import { eventually } from '../support/eventually';
import { TcpProxy } from '../support/tcp-proxy';
import type { WsClient } from '../support/ws-client';
import { connectToken, EVERYTHING, GatewayUnderTest, subscribe } from './gateway-under-test';
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
});

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

describe('what the stream does not hold any more', () => {
  let database: Database;
  beforeAll(() => {
    database = openDatabase(testbed.servers.databaseUrl, { applicationName: 'test', max: 2 });
  });
  afterAll(() => database.close());

  /** Publishes messages that are stored, unless `store` is 0, as a sequencer does. */
  async function publishStored(channel: string, data: readonly unknown[], values: Partial<LogRow> = {}) {
    const published: string[] = [];
    for (const each of data) {
      const [meta, except] = [values.meta ?? undefined, values.connectionId ?? undefined];
      const message = testbed.sequencer.next(channel, each, { meta, except });
      const row = logRow({ channel, event: 'e', data: JSON.stringify(each), ...values, id: message.id });
      if (row.store !== 0) await appendMessages(database.db, [row]);
      await testbed.sequencer.send(message);
      published.push(message.id);
    }
    return published;
  }
  /** The channel's time in the stream is over; on a gateway that has not opened it. */
  async function expire(channel: string): Promise<void> {
    const manager = await testbed.gateway.stream.manager();
    await manager.streams.purge(DELIVER_STREAM, { filter: deliverSubject(channel) });
  }
  const anHourAgo = Date.now() - 3_600_000;
  const old = (n: number) => messageId(anHourAgo + n, n, 0);
  const messages = (client: WsClient) => client.texts.filter((text) => text.startsWith('{"id"'));
  const isComplete = (complete: boolean) => ({ data: { resume: { complete } } });

  it('is read from the log, byte for byte as it was live, and goes on with what the stream holds', async () => {
    const witness = await testbed.gateway.connect(HISTORY);
    await subscribe(witness, 'l1');
    const meta = '{"uid":"ü","umd":{"a":1.50}}';
    const [after] = await publishStored('l1', upTo(2));
    await publishStored('l1', ['unstored'], { store: 0 });
    await publishStored('l1', [{ 'ключ"\\': ['\u2028', 1e21] }], { meta });
    await eventually(() => expect(messages(witness)).toHaveLength(4));
    await expire('l1');
    await publishStored('l1', upTo(2, 10));
    await publishStored('l1', [12], { store: 0 });
    await eventually(() => expect(messages(witness)).toHaveLength(7));

    const client = await (await testbed.anotherGateway()).connect(HISTORY);
    expect(await subscribe(client, 'l1', { after })).toMatchObject(isComplete(false));
    await publishStored('l1', [13]);
    await eventually(() => expect(messages(witness)).toHaveLength(8));
    const missed = () =>
      messages(witness)
        .slice(1)
        .filter((text) => !text.includes('unstored'));
    await eventually(() => expect(messages(client)).toEqual(missed()));
    expect(messages(client)).toHaveLength(6);
    await Promise.all([client.close(), witness.close()]);
  });

  it('is read from the log when the stream holds nothing of the channel', async () => {
    const rows = upTo(5).map((n) => logRow({ channel: 'l2', event: 'e', data: `${n}`, id: old(n) }));
    await appendMessages(database.db, rows);
    const client = await testbed.gateway.connect(HISTORY);
    expect(await subscribe(client, 'l2', { after: old(1) })).toMatchObject(isComplete(false));
    await eventually(() => expect(numbers(client)).toEqual([2, 3, 4]));
    await publishStored('l2', [5]);
    await eventually(() => expect(numbers(client)).toEqual([2, 3, 4, 5]));
    await client.close();
  });

  it('is not sent twice when it is stored but not delivered yet', async () => {
    const after = firstIdOf(Date.now() - 3_600_000);
    const client = await testbed.gateway.connect(HISTORY);
    const late = testbed.sequencer.next('l3', 'late');
    await appendMessages(database.db, [logRow({ channel: 'l3', event: 'e', data: '"late"', id: late.id })]);
    await subscribe(client, 'l3', { after });
    await testbed.sequencer.send(late);
    await publishStored('l3', ['last']);
    await eventually(() => expect(numbers(client)).toContain('last'));
    expect(numbers(client)).toEqual(['late', 'last']);
    await client.close();
  });

  it('is shown within the window, and only there', async () => {
    const ago = (minutes: number) => messageId(Date.now() - minutes * 60_000, 1, 0);
    const rows = [50, 40, 30, 20].map((n) => logRow({ channel: 'l4', event: 'e', data: `${n}`, id: ago(n) }));
    await appendMessages(database.db, rows);
    const historyStart = Math.floor(Date.now() / 1_000) - 35 * 60;
    for (const [claims, shown] of [
      [{ ...EVERYTHING, uid: 'stranger' }, []],
      [{ channels: { '*': { subscribe: true, historyStart } } }, [30, 20]],
    ] as const) {
      const client = await testbed.gateway.connect(claims);
      expect(await subscribe(client, 'l4', { after: rows[0]?.id })).toMatchObject(isComplete(false));
      await publish('l4', ['end']);
      await client.next(({ data }) => data === 'end');
      expect(numbers(client)).toEqual([...shown, 'end']);
      await client.close();
      await expire('l4');
    }
  });

  it('is at most the newest 1,000 messages together with what the stream holds', async () => {
    await appendMessages(
      database.db,
      upTo(1_200).map((n) => logRow({ channel: 'l5', event: 'e', data: `${n}`, id: old(n) })),
    );
    await publishStored('l5', upTo(10, 1_200));
    const client = await testbed.gateway.connect(HISTORY);
    expect(await subscribe(client, 'l5', { after: old(0) })).toMatchObject(isComplete(false));
    await eventually(() => expect(numbers(client)).toEqual(upTo(1_000, 210)));
    await client.close();
  });

  it("is not a connection's own without echo", async () => {
    const claims = (echo: boolean) => ({
      channels: { '*': { subscribe: true, historyStart: 0, messages: { '*': { echo } } } },
    });
    for (const echo of [false, true]) {
      const [channel, client] = [`l6.${echo}`, await testbed.gateway.connect(claims(echo))];
      const { connectionId } = (await client.connected()).data;
      const rows = [null, connectionId, null].map((connection, n) =>
        logRow({ channel, event: 'e', data: `${n}`, id: old(n + 1), connectionId: connection }),
      );
      await appendMessages(database.db, rows);
      await subscribe(client, channel, { after: old(0) });
      await eventually(() => expect(numbers(client)).toEqual(echo ? [0, 1, 2] : [0, 2]));
      await client.close();
    }
  });

  it('is left out while Postgres does not answer, which costs a resume little time', async () => {
    const url = new URL(testbed.servers.databaseUrl);
    const proxy = await TcpProxy.start(Number(url.port));
    url.port = String(proxy.port);
    const gateway = await GatewayUnderTest.start({ ...testbed.servers, databaseUrl: url.href });
    try {
      await publish('l7', upTo(3));
      const after = firstIdOf(Date.now() - 3_600_000);
      proxy.lose();
      const begun = Date.now();
      const clients = await Promise.all(upTo(40).map(() => gateway.connect(HISTORY)));
      const answers = await Promise.all(clients.map((client) => subscribe(client, 'l7', { after })));
      expect(answers).toEqual(answers.map(() => expect.objectContaining(isComplete(false))));
      // Far below the time after which a query is given up.
      expect(Date.now() - begun).toBeLessThan(10_000);
      for (const client of clients) await eventually(() => expect(numbers(client)).toEqual(upTo(3)));
    } finally {
      proxy.find();
      await proxy.stop();
      await gateway.stop();
    }
  });
});

describe('more than may wait for a client at once', () => {
  const PADDING = 'x'.repeat(30_000);
  /** Together more than the operating system takes for a client that does not read. */
  const [CHANNELS, MISSED] = [4, 130];
  let gateway: GatewayUnderTest;
  beforeAll(async () => {
    gateway = await testbed.anotherGateway({ wsMaxBacklogBytes: 1_048_576 });
  });
  const publishPadded = async (channels: readonly string[], count: number, from: number) => {
    for (const channel of channels) {
      await publish(
        channel,
        upTo(count, from).map((n) => ({ n, padding: PADDING })),
      );
    }
  };
  const numbersOf = (client: WsClient, channel: string) =>
    client.frames.filter((frame) => frame.event === 'e' && frame.channel === channel).map(({ data }) => data.n);

  /** A client that has missed so much of several channels, resumes them all, and does not read. */
  async function resuming(name: string): Promise<{ client: WsClient; channels: readonly string[] }> {
    const channels = upTo(CHANNELS).map((n) => `${name}.${n}`);
    const client = await gateway.connect(HISTORY);
    client.socket.pause();
    for (const channel of channels) {
      const after = await publish(channel, [{ n: -1 }]);
      await publishPadded([channel], MISSED, 0);
      client.send({ event: 'hotsock.subscribe', channel, data: { after } });
    }
    return { client, channels };
  }

  it('comes as the client reads it, whole and before what is live, of one channel after the other', async () => {
    const { client, channels } = await resuming('b1');
    await publishPadded(channels, 5, MISSED);
    client.socket.resume();
    for (const channel of channels) {
      await eventually(() => expect(numbersOf(client, channel)).toEqual(upTo(MISSED + 5)));
    }
    await publishPadded(channels, 1, MISSED + 5);
    for (const channel of channels) {
      await eventually(() => expect(numbersOf(client, channel)).toEqual(upTo(MISSED + 6)));
    }
    const answers = client.frames.filter(({ event }) => event === 'hotsock.subscribed');
    expect(answers.map(({ data }) => data.resume.complete)).toEqual(channels.map(() => true));
    await client.close();
  });

  it('ends a client that does not read what is live besides', async () => {
    const { client, channels } = await resuming('b2');
    await publishPadded(channels, 40, MISSED);
    await eventually(async () => {
      await publishPadded(channels, 1, MISSED);
      expect(gateway.metrics.slowConsumers.value).toBe(1);
    });
    client.socket.resume();
    expect((await client.closed).code).toBe(1013);
  });
});

it('works with the code of docs/channels.md', async () => {
  const text = readFileSync(join(__dirname, '../../docs/channels.md'), 'utf8');
  const [, code = ''] = /## Coming back without a gap\n[^]*?```js\n([^]*?)```/.exec(text) ?? [];
  const [received, shown]: [string[], unknown[]] = [[], []];
  let [end, reopen] = [() => {}, () => {}];
  class Ours extends WebSocket {
    constructor(url: string) {
      super(url.replace('ws://localhost:8080/v1', testbed.gateway.wsUrl));
      this.on('message', (data) => received.push((data as Buffer).toString('utf8')));
      end = () => this.terminate();
    }
  }
  const log = (what: string | { data: unknown }) => shown.push(typeof what === 'string' ? what : what.data);
  // eslint-disable-next-line @typescript-eslint/no-implied-eval -- readers copy it, so it is run as it stands
  const run = new Function('WebSocket', 'token', 'console', 'setTimeout', code) as (...globals: unknown[]) => void;
  run(Ours, connectToken(HISTORY), { log }, (again: () => void) => (reopen = again));
  await eventually(() => expect(received.at(-1)).toContain('hotsock.subscribed'));
  await publish('my-channel', [0]);
  await eventually(() => expect(shown).toEqual([0]));
  const unset = reopen;
  end();
  await eventually(() => expect(reopen).not.toBe(unset));
  await publish('my-channel', [1, 2]);
  reopen();
  await eventually(() => expect(shown).toEqual([0, 1, 2]));
  expect(received.filter((frame) => frame.includes('"resume":{"complete":true,"token":'))).toHaveLength(1);
  end();
});

it('refuses what is no message id', async () => {
  const client = await testbed.gateway.connect(HISTORY);
  client.send({ event: 'hotsock.subscribe', channel: 'r8', data: { after: 'x' } });
  expect(await client.next('hotsock.error')).toMatchObject({ channel: 'r8', error: { code: 'INVALID_TYPE' } });
  await client.close();
});
