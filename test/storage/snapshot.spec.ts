import { setTimeout as delay } from 'node:timers/promises';
import { Client, Testbed } from '../support/installation';
import { eventually } from '../support/eventually';
import { pauseProcess, resumeProcess } from '../support/pause-process';
import type { Frame } from '../support/ws-client';

/** What an observer gets at the beginning of its subscription, and from then on (websocket-protocol §9.2). */
let testbed: Testbed;
beforeAll(async () => {
  testbed = await Testbed.start();
});
afterAll(() => testbed?.stop());

let number = 0;
const newChannel = () => `s${++number}`;
const ALL = { observe: true, get: true, set: true };
const UPDATED = 'hotsock.channelStorageUpdated';

function client(channel: string, storage: object, more: object = {}, gateway = number % 2): Promise<Client> {
  const channels = { [channel]: { subscribe: true, historyStart: 0, storage, ...more } };
  return testbed.connect({ uid: 'u1', channels }, testbed.gateways[gateway]);
}

function document(channel: string, key: string, data: unknown, more: object = {}) {
  return { channel, event: 'hotsock.channelStorageSet', key, data, ...more };
}

/** Everything that the channel has told this client, in order: keys of entries, names of other events. */
function story({ ws }: Client, channel: string): string[] {
  return ws.frames
    .filter((frame) => frame.channel === channel)
    .map(({ event, key }) => (event === UPDATED ? (key as string) : (event as string)));
}

describe('a new observer', () => {
  it('gets the entries that exist, in the order of their keys, right after hotsock.subscribed (§8.6)', async () => {
    const channel = newChannel();
    await testbed.publish(
      document(channel, 'b', { n: 1 }),
      document(channel, 'short', 1, { store: 1 }),
      document(channel, 'a', 'A'),
    );
    await delay(1_100);
    const one = await client(channel, { '*': { observe: true } });
    await one.subscribe(channel);
    await one.ws.next(({ key }) => key === 'b');
    expect(one.ws.texts.slice(1)).toEqual([
      `{"event":"hotsock.subscribed","channel":"${channel}","data":{},"meta":{"uid":"u1","umd":null}}`,
      `{"event":"${UPDATED}","channel":"${channel}","key":"a","data":"A","meta":{"uid":null,"umd":null}}`,
      `{"event":"${UPDATED}","channel":"${channel}","key":"b","data":{"n":1},"meta":{"uid":null,"umd":null}}`,
    ]);
  });

  it('gets none but those it may observe, also when it is subscribed automatically', async () => {
    const channel = newChannel();
    await testbed.publish(document(channel, 'a1', 1), document(channel, 'a2', 1), document(channel, 'b', 1));
    const storage = { 'a*': { observe: true }, a2: { observe: false }, b: { get: true } };
    const one = await client(channel, storage, { autoSubscribe: true });
    await one.ws.next(UPDATED);
    await testbed.publish({ channel, event: 'end' });
    await one.ws.next('end');
    expect(story(one, channel)).toEqual(['hotsock.subscribed', 'a1', 'end']);
  });

  it('that resumes gets the messages it missed, and the present entries instead of their changes', async () => {
    const channel = newChannel();
    const one = await client(channel, { k: { observe: true } });
    await one.subscribe(channel);
    await testbed.publish({ channel, event: 'first' });
    const { id } = await one.ws.next('first');
    await one.unsubscribe(channel);
    await testbed.publish(document(channel, 'k', 1), { channel, event: 'missed' }, document(channel, 'k', 2));
    await testbed.settle(channel);
    one.ws.send({ event: 'hotsock.subscribe', channel, data: { after: id } });
    expect((await one.ws.next('hotsock.subscribed')).data).toEqual({ resume: { complete: true } });
    expect(await one.ws.next(UPDATED)).toMatchObject({ data: 2 });
    expect(story(one, channel).slice(-4)).toEqual(['hotsock.subscribed', 'missed', 'settled', 'k']);
  });

  it('that reads slowly gets more entries than it may have waiting, and what happens meanwhile after them', async () => {
    const channel = newChannel();
    const keys = Array.from({ length: 400 }, (_, i) => `k${i + 100}`);
    for (let from = 0; from < keys.length; from += 100) {
      await testbed.publish(...keys.slice(from, from + 100).map((key) => document(channel, key, 'x'.repeat(32_000))));
    }
    const one = await client(channel, { '*': { observe: true } });
    await one.subscribe(channel);
    one.ws.socket.pause();
    await testbed.publish(document(channel, 'k100', 'new'), document(channel, 'k499', 'new'), {
      channel,
      event: 'live',
    });
    await testbed.settle(channel);
    one.ws.socket.resume();
    await one.ws.next('live');
    const told = story(one, channel);
    expect(told[0]).toBe('hotsock.subscribed');
    expect(told.slice(1, 401)).toEqual(keys);
    expect(told.slice(401)).toContain('live');
    const last = new Map(one.ws.frames.map(({ key, data }: Frame) => [key as string, data as unknown]));
    expect([last.get('k100'), last.get('k499')]).toEqual(['new', 'new']);
  });

  it('that comes in the middle of a burst of writes is not taken for a slow reader', async () => {
    const channel = newChannel();
    const keys = Array.from({ length: 400 }, (_, i) => `k${i + 100}`);
    const one = await client(channel, { '*': { observe: true } });
    const sequencer = testbed.app('sequencer');
    await pauseProcess(sequencer.pid);
    try {
      for (let from = 0; from < keys.length; from += 100) {
        await testbed.publish(...keys.slice(from, from + 100).map((key) => document(channel, key, 'x'.repeat(32_000))));
      }
      await one.subscribe(channel);
    } finally {
      resumeProcess(sequencer.pid);
    }
    await testbed.publish(document(channel, 'last', 1));
    await one.ws.next(({ key }) => key === 'last');
    const told = story(one, channel).filter((key) => key.startsWith('k'));
    expect([...told].sort()).toEqual(keys);
    const { code } = await one.ws.close();
    expect(code).toBe(1000);
  });

  it('that does not read at all is closed when too much has to wait for it', async () => {
    const channel = newChannel();
    for (let batch = 0; batch < 4; batch++) {
      const keys = Array.from({ length: 100 }, (_, i) => `k${batch}${i}`);
      await testbed.publish(...keys.map((key) => document(channel, key, 'x'.repeat(32_000))));
    }
    const one = await client(channel, { '*': { observe: true } });
    await one.subscribe(channel);
    one.ws.socket.pause();
    const messages = Array.from({ length: 100 }, () => ({ channel, event: 'e', data: 'x'.repeat(32_000) }));
    for (let batch = 0; batch < 2; batch++) await testbed.publish(...messages);
    await testbed.settle(channel);
    one.ws.socket.resume();
    expect((await one.ws.closed).code).toBe(1013);
  });

  it('that leaves before the entries have come gets nothing of the channel any more', async () => {
    const channel = newChannel();
    await testbed.publish(document(channel, 'k', 1));
    const one = await client(channel, { '*': ALL });
    for (let i = 0; i < 30; i++) {
      one.ws.send({ event: 'hotsock.subscribe', channel });
      one.ws.send({ event: 'hotsock.unsubscribe', channel });
    }
    await eventually(() =>
      expect(story(one, channel).filter((event) => event === 'hotsock.unsubscribed')).toHaveLength(30),
    );
    expect(await one.call('channelStorageGet', { channel, key: 'k' })).toMatchObject({ status: 200 });
    expect(story(one, channel).join(' ')).toMatch(/^(hotsock\.subscribed (k )?hotsock\.unsubscribed ?){30}$/);
  });
});

describe('with many who write at the same time', () => {
  const KEYS = ['a', 'b', 'c'];
  const WRITES = 300;
  const WRITERS = 4;

  interface Segment {
    readonly values: ReadonlyMap<string, unknown[]>;
    readonly isLast: boolean;
  }

  /** Values by key, for each of the client's subscriptions. */
  function segmentsOf(one: Client, channel: string): Segment[] {
    const segments: Map<string, unknown[]>[] = [];
    for (const { event, key, data, channel: of } of one.ws.frames) {
      if (of !== channel) continue;
      if (event === 'hotsock.subscribed') segments.push(new Map(KEYS.map((each) => [each, []])));
      if (event === UPDATED)
        segments
          .at(-1)
          ?.get(key as string)
          ?.push(data);
    }
    return segments.map((values, index) => ({ values, isLast: index === segments.length - 1 }));
  }

  async function hammer(channel: string, meanwhile: () => Promise<void>): Promise<void> {
    const witness = await client(channel, { '*': ALL }, {}, 0);
    await witness.subscribe(channel);
    const observers = await Promise.all(Array.from({ length: 8 }, (_, i) => client(channel, { '*': ALL }, {}, i % 2)));
    const writers = observers.slice(0, WRITERS);
    const write = async (from: number) => {
      const writer = writers[from] ?? witness;
      for (let i = 0; i < WRITES; i++) {
        writer.ws.send({
          event: 'hotsock.channelStorageSet',
          channel,
          key: KEYS[i % KEYS.length],
          data: `${from}:${i}`,
        });
        if (i % 3 === 2) await delay(5);
      }
    };
    let isDone = false;
    const comeAndGo = async (one: Client) => {
      while (!isDone) {
        await one.subscribe(channel);
        await delay(Math.random() * 15);
        if (isDone) return;
        await one.unsubscribe(channel);
      }
      await one.subscribe(channel);
    };
    const coming = observers.map(comeAndGo);
    await Promise.all([...writers.map((_, from) => write(from)), meanwhile()]);
    isDone = true;
    await Promise.all(coming);
    // What each has sent has been read: it is answered in the order of its frames.
    for (const { ws } of writers) {
      ws.send({ event: 'hotsock.channelStorageGet', channel, key: KEYS[0] });
      await ws.next('hotsock.channelStorageData');
    }
    const entries = new Map<string, unknown>();
    for (const key of KEYS) entries.set(key, (await witness.call('channelStorageGet', { channel, key })).json.data);
    await testbed.publish({ channel, event: 'end' });
    await Promise.all([witness, ...observers].map((one) => one.ws.next('end')));

    const truth = segmentsOf(witness, channel)[0]?.values ?? new Map<string, unknown[]>();
    for (const key of KEYS) {
      const order = truth.get(key) ?? [];
      expect(order).toHaveLength((WRITES / KEYS.length) * WRITERS);
      expect(new Set(order).size).toBe(order.length);
      expect(order.at(-1)).toBe(entries.get(key));
    }
    for (const one of observers) {
      for (const { values, isLast } of segmentsOf(one, channel)) {
        for (const [key, seen] of values) {
          const order = truth.get(key) ?? [];
          const first = order.indexOf(seen[0]);
          // From the snapshot on, every change once and in its order.
          expect(seen).toEqual(seen.length === 0 ? [] : order.slice(first, first + seen.length));
          if (isLast) expect(seen.at(-1)).toBe(entries.get(key));
        }
      }
    }
  }

  it('every observer, whenever it comes, sees each value once, in order, up to the last', async () => {
    await hammer(newChannel(), async () => undefined);
  });

  it('also when the sequencer is killed in the middle, twice', async () => {
    await hammer(newChannel(), async () => {
      for (let i = 0; i < 2; i++) {
        await delay(40);
        await testbed.apps.findLast(({ name }) => name === 'sequencer')?.kill('SIGKILL');
        await testbed.add('sequencer');
      }
    });
  });
});
