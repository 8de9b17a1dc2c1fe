import { setTimeout as delay } from 'node:timers/promises';
import { HearthClient, type Store } from '@hearth/client';
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
  private readonly logs = new Map<string, { readonly id: string; readonly data: number }[]>();
  /** How far each connection has come, by channel. */
  private readonly places = new Map<Peer, Map<string, number>>();
  lagMs = 0;
  connections = 0;
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
    const lagMs = Math.random() * this.lagMs;
    for (const peer of this.places.keys()) setTimeout(() => this.deliver(peer, channel), lagMs);
  }

  cut(): void {
    for (const peer of this.places.keys()) peer.socket.terminate();
  }

  private answer(peer: Peer, { event, channel, data }: { event: string; channel: string; data: Ask }): void {
    const places = this.places.get(peer);
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
    const from = isNew ? log.length : after < 0 ? Number(resume.token) : after + 1;
    places?.set(channel, from);
    peer.subscribed(channel, { resume: { complete: isNew ? undefined : true, token: isNew ? token : String(from) } });
    this.deliver(peer, channel);
    peer.send({ event: 'hotsock.channelStorageSynced', channel, data: {} });
  }

  private deliver(peer: Peer, channel: string): void {
    const places = this.places.get(peer);
    const place = places?.get(channel);
    if (place === undefined) return;
    const log = this.logOf(channel);
    for (const { id, data } of log.slice(place)) peer.send({ id, event: 'e', channel, data });
    places?.set(channel, log.length);
  }

  private logOf(channel: string): { readonly id: string; readonly data: number }[] {
    const log = this.logs.get(channel) ?? [];
    this.logs.set(channel, log);
    return log;
  }
}

interface Ask {
  readonly resume?: true | { readonly after?: string; readonly token?: string };
}

it('misses nothing untold, doubles and inverts nothing, with far fewer connections than tabs', async () => {
  Object.defineProperty(globalThis, 'navigator', { value: { locks: new Locks() }, configurable: true });
  const fake = new ResumingServer();
  await fake.start();
  const seed = Number(process.env.HEARTH_MODEL_SEED ?? Date.now() % 1_000_000);
  let made = 0;
  const newClient = (resumeStore: Store): HearthClient => {
    made++;
    return new HearthClient(fake.server.url, {
      connectTokenFn: () => anyToken({ uid: 'u1' }),
      WebSocket: WebSocket,
      backoff: { baseMs: 50, maxMs: 200 },
      logLevel: 'silent',
      shareTabs: true,
      resumeStore,
    });
  };
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
  await fake.server.stop();
  const { sleep = 0, reload = 0 } = verdict.faults;
  expect({ seed, ...verdict }).toMatchObject({ seed, missed: 0, doubled: 0, inverted: 0 });
  expect(verdict.given).toBeGreaterThan(100);
  // Each fault ends one connection at most, where pages on their own would have had two each time.
  expect(fake.connections).toBeLessThanOrEqual(1 + cuts + sleep + reload);
  expect(made).toBe(2 + reload);
});
