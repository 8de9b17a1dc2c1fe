import { setTimeout as delay } from 'node:timers/promises';
import { HearthClient, memoryStore, type Store, VERSION } from '@hearth/client';
import { WebSocket } from 'ws';
import { eventually } from '../support/eventually';
import { anyToken, FakeServer, type Peer } from './fake-server';
import { Locks } from './locks';
import { runModel } from './random-model';

/**
 * One connection for many tabs (client-library §7) in a random model, with a server that resumes as a real one does. Its
 * connections lag behind each other, as gateways do: a tab may be ahead of the one that connects next.
 */
class ResumingServer {
  private readonly logs = new Map<string, Logged[]>();
  /** How far each connection has come, by channel. */
  private readonly places = new Map<Peer, Map<string, number>>();
  lagMs = 0;
  connections = 0;
  /** The number of the last message that it does not have any more. */
  lost = 0;
  server!: FakeServer;

  async start(): Promise<void> {
    this.server = await FakeServer.start((peer) => {
      this.connections++;
      this.places.set(peer, new Map());
      peer.connected();
      peer.socket.on('message', () => this.answer(peer, peer.frames.at(-1)));
      peer.socket.on('close', () => this.places.delete(peer));
    });
  }

  publish(channel: string, from: number, count: number): void {
    const log = this.logOf(channel);
    for (let n = from; n < from + count; n++) log.push({ id: `id-${String(n).padStart(9, '0')}`, data: n });
    if (this.lagMs === Infinity) return;
    const lagMs = Math.random() * this.lagMs;
    for (const peer of this.places.keys()) setTimeout(() => this.deliver(peer, channel), lagMs);
  }

  cut(): void {
    for (const peer of this.places.keys()) peer.socket.terminate();
  }

  /** Whether who publishes is sent it, too. */
  echo = false;

  private answer(
    peer: Peer,
    { event, channel, data, ref }: { event: string; channel: string; data: Ask; ref?: string },
  ): void {
    const places = this.places.get(peer);
    if (ref !== undefined) {
      const log = this.logOf(channel);
      const id = `id-${String(Number(data)).padStart(9, '0')}`;
      log.push({ id, data: Number(data), by: this.echo ? undefined : peer });
      peer.send({ event: 'hotsock.published', channel, ref, data: { id } });
      for (const one of this.places.keys()) this.deliver(one, channel);
    }
    if (event === 'hotsock.unsubscribe') {
      places?.delete(channel);
      peer.send({ event: 'hotsock.unsubscribed', channel, data: {} });
    }
    if (event !== 'hotsock.subscribe') return;
    const log = this.logOf(channel);
    const { resume } = data;
    const token = String(log.length);
    const isNew = typeof resume !== 'object';
    const after = isNew ? -1 : log.findIndex(({ id }) => id === resume.after);
    const asked = isNew ? log.length : after < 0 ? Number(resume.token) : after + 1;
    const from = Math.max(asked, this.lost);
    places?.set(channel, from);
    const complete = isNew ? undefined : from === asked;
    peer.subscribed(channel, { resume: { complete, token: isNew ? token : String(from) } });
    this.deliver(peer, channel);
    peer.send({ event: 'hotsock.channelStorageSynced', channel, data: {} });
  }

  private deliver(peer: Peer, channel: string): void {
    const places = this.places.get(peer);
    const place = places?.get(channel);
    if (place === undefined) return;
    const log = this.logOf(channel);
    for (const { id, data, by } of log.slice(place)) if (by !== peer) peer.send({ id, event: 'e', channel, data });
    places?.set(channel, log.length);
  }

  private logOf(channel: string): Logged[] {
    const log = this.logs.get(channel) ?? [];
    this.logs.set(channel, log);
    return log;
  }
}

interface Logged {
  readonly id: string;
  readonly data: number;
  /** Who is not sent it, having sent it. */
  readonly by?: Peer;
}

interface Ask {
  readonly resume?: true | { readonly after?: string; readonly token?: string };
}

/** Clients of one server, as tabs; the application of each keeps its points. */
async function tabs(fake: ResumingServer) {
  Object.defineProperty(globalThis, 'navigator', { value: { locks: new Locks() }, configurable: true });
  await fake.start();
  const clients: HearthClient[] = [];
  return {
    newClient: (resumeStore: Store): HearthClient => {
      const made = new HearthClient(fake.server.url, {
        connectTokenFn: () => anyToken({ uid: 'u1' }),
        WebSocket: WebSocket,
        backoff: { baseMs: 50, maxMs: 200 },
        logLevel: 'silent',
        shareTabs: true,
        resumeStore,
      });
      clients.push(made);
      return made;
    },
    clients,
    stop: async () => {
      for (const client of clients) client.terminate();
      await fake.server.stop();
    },
  };
}

/** Listens, and has subscribed when it returns. */
async function listen(client: HearthClient, name: string): Promise<unknown[]> {
  const heard: unknown[] = [];
  const channel = client.channel(name);
  channel.onGap(({ reason }) => heard.push(reason));
  channel.on('e', ({ data }) => heard.push(data));
  await channel.ready();
  return heard;
}

describe('a tab that is behind all others', () => {
  const start = async () => {
    const fake = new ResumingServer();
    const { newClient, stop } = await tabs(fake);
    fake.publish('a', 1, 2);
    const first = await listen(newClient(memoryStore()), 'a');
    const store = memoryStore();
    const old = newClient(store);
    const heard = await listen(old, 'a');
    fake.publish('a', 3, 1);
    await eventually(() => expect([first, heard]).toEqual([[3], [3]]));
    // The page is reloaded: it does not know any more what it was given.
    old.suspend();
    const reloaded = await listen(newClient(store), 'a');
    const behind = memoryStore();
    const point = JSON.stringify({ after: 'id-000000001', token: '1' });
    await behind.set(`hearth:${JSON.stringify([fake.server.url, 'u1', 'a'])}`, point);
    return { fake, first, reloaded, stop, come: () => listen(newClient(behind), 'a') };
  };

  it('is given what it missed, and those that were reloaded are not given it again', async () => {
    const { fake, first, reloaded, stop, come } = await start();
    const late = await come();
    await eventually(() => expect(late).toEqual([2, 3]));
    fake.publish('a', 4, 1);
    await eventually(() => expect([first, reloaded, late]).toEqual([[3, 4], [4], [2, 3, 4]]));
    expect(fake.connections).toBe(1);
    await stop();
  });

  it('leaves it to the others to ask for what they can have, when it cannot have all', async () => {
    const { fake, first, reloaded, stop, come } = await start();
    // One is still on its way to all of them when the server has it no more.
    fake.lagMs = Infinity;
    fake.publish('a', 4, 1);
    fake.lost = 4;
    const late = await come();
    fake.lagMs = 0;
    fake.publish('a', 5, 1);
    const gap = 'incomplete';
    await eventually(() =>
      expect([first, reloaded, late]).toEqual([
        [3, gap, 5],
        [gap, 5],
        [gap, 5],
      ]),
    );
    await stop();
  });
});

describe.each([
  ['without', false],
  ['with', true],
])('what one tab publishes %s echo', (_, echo) => {
  const start = async () => {
    const fake = new ResumingServer();
    fake.echo = echo;
    const { newClient, stop } = await tabs(fake);
    const first = newClient(memoryStore());
    const firstHeard = await listen(first, 'a');
    const store = memoryStore();
    const second = newClient(store);
    const secondHeard = await listen(second, 'a');
    fake.publish('a', 1, 1);
    await eventually(() => expect([firstHeard, secondHeard]).toEqual([[1], [1]]));
    return { fake, newClient, stop, first, firstHeard, store, second, secondHeard };
  };

  it('comes to one that is reloaded meanwhile, once', async () => {
    const { fake, newClient, stop, first, store, second, secondHeard } = await start();
    await first.channel('a').publish('e', 2);
    await eventually(() => expect(secondHeard).toEqual([1, 2]));
    second.suspend();
    await first.channel('a').publish('e', 3);
    const third = newClient(store);
    const thirdHeard = await listen(third, 'a');
    await eventually(() => expect(thirdHeard).toEqual([3]));
    third.suspend();
    await first.channel('a').publish('e', 4);
    fake.publish('a', 5, 1);
    const fourthHeard = await listen(newClient(store), 'a');
    await eventually(() => expect(fourthHeard).toEqual([4, 5]));
    await stop();
  });

  it('comes to itself as it would on its own, also when it sleeps', async () => {
    const { fake, newClient, stop, store, second, firstHeard, secondHeard } = await start();
    const own = (...numbers: number[]) => (echo ? numbers : []);
    await second.channel('a').publish('e', 2);
    await eventually(() =>
      expect([firstHeard, secondHeard]).toEqual([
        [1, 2],
        [1, ...own(2)],
      ]),
    );
    await second.channel('a').publish('e', 3);
    second.suspend();
    fake.publish('a', 4, 1);
    second.resume();
    await eventually(() => expect(secondHeard).toEqual([1, ...own(2, 3), 4]));
    await second.channel('a').publish('e', 5);
    second.suspend();
    fake.publish('a', 6, 1);
    const heard = await listen(newClient(store), 'a');
    await eventually(() =>
      expect([firstHeard, heard]).toEqual([
        [1, 2, 3, 4, 5, 6],
        [...own(5), 6],
      ]),
    );
    await stop();
  });
});

it('leaves no timer behind when it ends, though a tab waits for what it has seen already', async () => {
  const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
  const before = timers();
  const fake = new ResumingServer();
  const { newClient, stop } = await tabs(fake);
  await listen(newClient(memoryStore()), 'a');
  const ahead = memoryStore();
  await ahead.set(
    `hearth:${JSON.stringify([fake.server.url, 'u1', 'a'])}`,
    JSON.stringify({ after: 'id-9', token: '0' }),
  );
  const client = newClient(ahead);
  client.channel('a').hold();
  await client.connect();
  // Its subscription is asked for, and waits.
  await delay(100);
  expect(client.channel('a').state).toBe('subscribing');
  await stop();
  await eventually(() => expect(timers()).toBeLessThanOrEqual(before + 1));
});

it('does not take the end of whoever connected before it for its own', async () => {
  const fake = new ResumingServer();
  const { newClient, stop } = await tabs(fake);
  const client = newClient(memoryStore());
  const heard = await listen(client, 'a');
  const another = new BroadcastChannel(JSON.stringify([VERSION, fake.server.url, 'u1', undefined]));
  const answers: unknown[] = [];
  another.onmessage = ({ data }: MessageEvent) => answers.push(data);
  another.postMessage({ code: 1001, reason: '' });
  another.postMessage({ from: 'another', text: '{}' });
  await eventually(() => expect(answers).toContainEqual({ to: ['another'] }));
  another.close();
  fake.publish('a', 1, 1);
  await eventually(() => expect(heard).toEqual([1]));
  expect([client.state, fake.connections]).toEqual(['connected', 1]);
  await stop();
});

it('misses nothing untold, doubles and inverts nothing, with far fewer connections than tabs', async () => {
  const fake = new ResumingServer();
  const { newClient, clients, stop } = await tabs(fake);
  const seed = Number(process.env.HEARTH_MODEL_SEED ?? Date.now() % 1_000_000);
  let cuts = 0;
  const verdict = await runModel(
    {
      ...{ seed, seconds: Number(process.env.HEARTH_MODEL_SECONDS ?? 5), channels: ['a', 'b'], newClient },
      publish: async (channel, from, count) => fake.publish(channel, from, count),
      faults: {
        cut: () => {
          cuts++;
          fake.cut();
        },
        lag: async () => {
          fake.lagMs = 150;
          await delay(200);
          fake.lagMs = 0;
        },
      },
    },
    (check) => eventually(check),
  );
  await stop();
  const { sleep = 0, reload = 0, killPage = 0 } = verdict.faults;
  expect({ seed, ...verdict }).toMatchObject({ seed, missed: 0, doubled: 0, inverted: 0 });
  expect(verdict.given).toBeGreaterThan(100);
  // Each fault ends one connection at most, where pages on their own would have had two each time.
  expect(fake.connections).toBeLessThanOrEqual(1 + cuts + sleep + reload + killPage);
  expect(clients).toHaveLength(2 + reload + killPage);
});
