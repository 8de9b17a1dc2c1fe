import { firstIdOf, idTimeMs } from '@hearth/protocol';
import { IngestPublisher, StreamConnection } from '@hearth/stream';
import { randomUUID } from 'node:crypto';
import { Client as Postgres } from 'pg';
import { eventually } from '../support/eventually';
import { Client, secondsOf, Testbed } from '../support/installation';

let testbed: Testbed;

beforeAll(async () => {
  testbed = await Testbed.start();
});
afterAll(() => testbed?.stop());

/** Sees everything of all channels without a subscription. */
const reader = (): Promise<Client> => testbed.connect({ uid: 'u1', channels: { '*': { historyStart: 0 } } });
const idsOf = (messages: readonly { id: string }[]): string[] => messages.map(({ id }) => id);

describe('pages (client-http-api §3.2)', () => {
  it('hold 100 messages, in both directions without overlap or gap', async () => {
    const ids = await testbed.store('pages', ...Array.from({ length: 250 }, (_, n) => n));
    expect(ids).toHaveLength(250);
    const client = await reader();
    const pages = async (reverse: boolean): Promise<string[][]> => {
      const all: string[][] = [];
      for (let last: string | undefined; ; last = all.at(-1)?.at(-1)) {
        const page = await client.list({ channel: 'pages', reverse, [reverse ? 'before' : 'after']: last });
        if (page.length === 0) return all;
        all.push(idsOf(page));
      }
    };
    const forwards = await pages(false);
    expect(forwards.map(({ length }) => length)).toEqual([100, 100, 50]);
    expect(forwards.flat()).toEqual(ids);
    const backwards = await pages(true);
    expect(backwards.map(({ length }) => length)).toEqual([100, 100, 50]);
    expect(backwards.flat()).toEqual([...ids].reverse());
  });

  it('are cut at 1 MiB and go on where they were cut', async () => {
    await testbed.store('large', ...Array.from({ length: 100 }, (_, n) => `${n}`.padEnd(30_720)));
    const client = await reader();
    for (const reverse of [false, true]) {
      const seen: number[] = [];
      let pages = 0;
      for (let last: string | undefined; ; pages++) {
        const { text, json } = await client.call('listMessages', {
          channel: 'large',
          reverse,
          [reverse ? 'before' : 'after']: last,
        });
        if (json.messages.length === 0) break;
        expect(text.length).toBeLessThanOrEqual(1_048_576 + '{"messages":[]}'.length);
        seen.push(...json.messages.map(({ data }: { data: string }) => Number(data)));
        last = json.messages.at(-1).id;
      }
      const all = Array.from({ length: 100 }, (_, n) => n);
      expect(seen).toEqual(reverse ? all.reverse() : all);
      expect(pages).toBe(3);
    }
  });

  it('begin behind cursors that need not exist, in either case, and only the one of the direction counts', async () => {
    const ids = await testbed.store('cursors', 1, 2, 3);
    const client = await reader();
    const list = async (more: object) =>
      (await client.list({ channel: 'cursors', ...more })).map(({ data }: { data: number }) => data);
    const [first, , last] = ids as [string, string, string];
    expect(await list({ after: first })).toEqual([2, 3]);
    expect(await list({ after: first.toLowerCase() })).toEqual([2, 3]);
    expect(await list({ after: '0'.repeat(26) })).toEqual([1, 2, 3]);
    expect(await list({ after: `7${'Z'.repeat(25)}` })).toEqual([]);
    expect(await list({ before: first })).toEqual([1, 2, 3]);
    expect(await list({ before: last, after: first })).toEqual([2, 3]);
    expect(await list({ reverse: true, before: last })).toEqual([2, 1]);
    expect(await list({ reverse: true, after: last })).toEqual([3, 2, 1]);
    expect(await list({ reverse: true, before: last, after: last })).toEqual([2, 1]);
    expect(await list({ reverse: null, after: null, before: null, expandReactions: null })).toEqual([1, 2, 3]);
  });

  it('are empty for a channel nobody ever used', async () => {
    expect((await (await reader()).call('listMessages', { channel: 'unused' })).text).toBe('{"messages":[]}');
  });
});

it('has the order of delivery, also of messages that were given their ids before', async () => {
  const [client, channel] = [await reader(), 'eager'];
  const watcher = await testbed.connect({ channels: { [channel]: { subscribe: true } } });
  await watcher.subscribe(channel);
  // Some were promised an id long before they arrive: it is older than those of messages that were delivered before.
  const connection = await StreamConnection.open({ natsUrls: [testbed.nats.url] }, 'test', {
    info: () => undefined,
    warn: () => undefined,
  });
  const ingest = new IngestPublisher(connection, { partitions: 2, httpTimeoutMs: 8_000, publishAck: 'stream' });
  for (let n = 0; n < 6; n++) {
    const eagerId = n % 2 === 0 ? undefined : firstIdOf(Date.now() - 60_000).slice(0, -1) + n;
    const origin = { requestId: randomUUID(), trigger: 'server.http', emitPubSubEvent: false } as const;
    await ingest.publish({ channel, event: 'e', store: 600, eagerId, ...origin }, String(n));
  }
  ingest.close();
  await connection.close();
  const all = (await eventually(() => {
    const delivered = watcher.ws.frames.filter(({ event }) => event === 'e');
    expect(delivered.map(({ data }) => data as number)).toEqual([0, 1, 2, 3, 4, 5]);
    return delivered;
  })) as { id: string }[];
  expect(idsOf(all)).not.toEqual(idsOf(all).sort());
  const list = async (more: object) => idsOf((await client.list({ channel, ...more })) as { id: string }[]);
  expect(await list({})).toEqual(idsOf(all));
  expect(await list({ reverse: true })).toEqual(idsOf(all).reverse());
  for (const [index, { id }] of all.entries()) {
    expect(await list({ after: id })).toEqual(idsOf(all).slice(index + 1));
    expect(await list({ reverse: true, before: id })).toEqual(idsOf(all).slice(0, index).reverse());
  }
});

describe('entries', () => {
  it('have meta always as an object, and reactions only when there are any', async () => {
    const client = await testbed.connect({
      uid: 'ü1',
      umd: { n: 1 },
      channels: { shape: { historyStart: 0, messages: { '*': { broadcast: true, store: 600 } } } },
    });
    await testbed.publish({ channel: 'shape', event: 'server', store: 600, data: { a: [1] } });
    await client.call('publishMessage', { channel: 'shape', event: 'client' });
    const [first, second] = await testbed.settle('shape');
    const answer = await client.call('listMessages', { channel: 'shape', expandReactions: false });
    expect(answer.headers.get('content-type')).toContain('application/json');
    expect(answer.text).toBe(
      `{"messages":[{"id":"${first}","event":"server","channel":"shape","data":{"a":[1]},"meta":{"uid":null,"umd":null}},` +
        `{"id":"${second}","event":"client","channel":"shape","data":null,"meta":{"uid":"ü1","umd":{"n":1}}}]}`,
    );
  });

  it('have data as it was published, byte for byte', async () => {
    const data = '{"n":12345678901234567890,"t":"\\u0000\\ud800","__proto__":{ "b":1 , "a":2}}';
    const client = await testbed.connect({
      channels: { bytes: { historyStart: 0, messages: { e: { broadcast: true, store: -1 } } } },
    });
    await client.call('publishMessage', `{"channel":"bytes","event":"e","data":${data}}`);
    await testbed.settle('bytes');
    expect((await client.call('listMessages', { channel: 'bytes' })).text).toContain(`"data":${data},"meta"`);
  });

  it('are those that were to be stored, and have not expired, even if their rows are still there', async () => {
    const channel = 'expiring';
    await testbed.publish(
      { channel, event: 'e', data: 'short', store: 1 },
      { channel, event: 'e', data: 'not stored' },
      { channel, event: 'e', data: 'long', store: 600 },
      { channel, event: 'e', data: 'for ever', store: -1 },
    );
    await testbed.settle(channel);
    const client = await reader();
    await eventually(async () => {
      const messages = await client.list({ channel });
      expect(messages.map(({ data }: { data: string }) => data)).toEqual(['long', 'for ever']);
    });
    const sql = new Postgres(testbed.database.url);
    await sql.connect();
    expect((await sql.query('select 1 from message_log where channel = $1', [channel])).rowCount).toBe(3);
    await sql.end();
  });

  it('are those of one channel', async () => {
    await testbed.store('one', 1);
    await testbed.store('one.more', 2);
    await testbed.store('ONE', 3);
    const messages = await (await reader()).list({ channel: 'one' });
    expect(messages).toMatchObject([{ channel: 'one', data: 1 }]);
  });
});

describe('the visibility window (client-http-api §3.1, tokens-and-claims §7 H1–H5)', () => {
  const channels = (channel: string, more: object = {}) => ({ [channel]: { subscribe: true, ...more } });

  it('begins with the present subscription; with historyStart 0 there is none (§9.4)', async () => {
    const [short, all] = await Promise.all([
      testbed.connect({ channels: channels('window') }),
      testbed.connect({ channels: channels('window', { historyStart: 0 }) }, testbed.gateways[1]),
    ]);
    for (const client of [short, all]) await client.subscribe('window');
    await testbed.store('window', 'A');
    for (const client of [short, all]) await client.unsubscribe('window');
    await testbed.store('window', 'B');
    for (const client of [short, all]) await client.subscribe('window');
    await testbed.store('window', 'C');
    const seen = async (client: Client) =>
      (await client.list({ channel: 'window' })).map(({ data }: { data: string }) => data);
    expect(await seen(short)).toEqual(['C']);
    expect(await seen(all)).toEqual(['A', 'B', 'C']);
  });

  it('begins exactly at historyStart, counted in milliseconds', async () => {
    await testbed.store('exact', 'before');
    await testbed.store('exact', 'at');
    const [before, at] = await testbed.store('exact', 'after');
    expect(secondsOf(before!)).toBeLessThan(secondsOf(at!));
    const from = async (historyStart: number, subscribed: boolean) => {
      const client = await testbed.connect({ channels: channels('exact', { historyStart }) });
      if (subscribed) await client.subscribe('exact');
      return (await client.list({ channel: 'exact' })).map(({ data }: { data: string }) => data);
    };
    for (const subscribed of [true, false]) {
      expect(await from(secondsOf(at!), subscribed)).toEqual(['at', 'after']);
      expect(await from(secondsOf(at!) + 0.001, subscribed)).toEqual(['after']);
      expect(await from(secondsOf(before!), subscribed)).toEqual(['before', 'at', 'after']);
      expect(await from(secondsOf(before!) - 0.001, subscribed)).toEqual(['before', 'at', 'after']);
    }
  });

  it('begins exactly at historyStart for messages with early ids, too', async () => {
    await testbed.publish({ channel: 'early', event: 'e', store: 600, eagerIdGeneration: true });
    const [id] = await testbed.settle('early');
    const from = async (historyStart: number) => {
      const client = await testbed.connect({ channels: channels('early', { historyStart }) });
      return idsOf(await client.list({ channel: 'early' }));
    };
    expect(await from(secondsOf(id!))).toEqual([id]);
    expect(await from(secondsOf(id!) + 0.001)).toEqual([]);
  });

  it('is never smaller than the subscription, though historyStart may lie in the future', async () => {
    const client = await testbed.connect({ channels: channels('future', { historyStart: 4_102_444_800 }) });
    await client.subscribe('future');
    await testbed.store('future', 'seen');
    expect(await client.list({ channel: 'future' })).toMatchObject([{ data: 'seen' }]);
    await client.unsubscribe('future');
    expect(await client.list({ channel: 'future' })).toEqual([]);
  });

  it.each([1e12, 1.8e305, Number.MAX_VALUE])(
    'shows nothing of before when historyStart is %d',
    async (historyStart) => {
      const channel = `never-${historyStart}`;
      const [before] = await testbed.store(channel, 'before');
      const client = await testbed.connect({ channels: channels(channel, { historyStart }) });
      expect(await client.list({ channel })).toEqual([]);
      client.ws.send({
        event: 'hotsock.subscribe',
        channel,
        data: { resume: { after: firstIdOf(idTimeMs(before!) - 1) } },
      });
      expect((await client.ws.next(({ channel: named }) => named === channel)).event).toBe('hotsock.subscribed');
      await testbed.store(channel, 'after');
      await client.ws.next('settled');
      expect(await client.list({ channel })).toMatchObject([{ data: 'after' }]);
      expect(client.ws.frames.filter(({ event }) => event === 'e')).toMatchObject([{ data: 'after' }]);
    },
  );

  it('needs a subscription or historyStart (H4, H5)', async () => {
    await testbed.store('closed', 1);
    const without = await testbed.connect({ channels: channels('closed') });
    const refused = await without.call('listMessages', { channel: 'closed' });
    expect([refused.status, refused.json.error.code]).toEqual([403, 'NOT_SUBSCRIBED']);
    expect(refused.json.error.message).toContain('channel');
    const granted = await testbed.connect({ channels: { closed: { historyStart: 0 } } });
    expect(await granted.list({ channel: 'closed' })).toHaveLength(1);
    const elsewhere = await granted.call('listMessages', { channel: 'closed.2' });
    expect(elsewhere.json.error.code).toBe('NOT_SUBSCRIBED');
  });
});
