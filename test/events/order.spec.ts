import { partitionOf } from '@hearth/wire';
import { Client, Testbed } from '../support/installation';
import { eventually } from '../support/eventually';
import type { AppProcess } from '../support/process';
import { TcpProxy } from '../support/tcp-proxy';
import { Backend, StoredEvent } from './backend';

/**
 * What is told of a connection comes from its gateway and from the owners of its channels, on roads of their own. Nothing
 * may depend on which of them is faster: here each is slowed down in turn (pubsub-events §4.4).
 */
const PARTITIONS = 2;
/** One channel of each kind in each partition. */
const CHANNELS = ['room', 'presence.room'].flatMap((name) => [0, 1].map((partition) => channelOf(name, partition)));
/** So long that an owner with an event on its way does not wait for it any more. */
const SLOW_MS = 1_500;
const CLAIMS = {
  '*': {
    subscribe: true,
    messages: { said: { broadcast: true, emitPubSubEvent: true } },
    storage: { '*': { set: true, store: 60, emitPubSubEvent: true } },
  },
};

let testbed: Testbed;
let roads: Readonly<Record<'gateway' | 'sequencer', TcpProxy>>;
let gateway: AppProcess;
let backend: Backend;
let watcher: Client;
const troubles: unknown[] = [];

beforeAll(async () => {
  testbed = await Testbed.start({ HEARTH_PARTITIONS: String(PARTITIONS) });
  roads = { gateway: await TcpProxy.start(testbed.nats.port), sequencer: await TcpProxy.start(testbed.nats.port) };
  const through = ({ port }: TcpProxy) => ({ HEARTH_NATS_URL: `nats://127.0.0.1:${port}` });
  gateway = await testbed.add('gateway', through(roads.gateway));
  await testbed.app('sequencer').stop();
  await testbed.add('sequencer', through(roads.sequencer));
  backend = await Backend.open(testbed.nats.url, (error) => troubles.push(error));
  // Keeps the channels open on the gateway: who comes has nothing to wait for.
  watcher = await enter('watcher');
  for (const channel of CHANNELS) await watcher.subscribe(channel);
});

afterAll(async () => {
  await backend?.close();
  await testbed?.stop();
  for (const road of Object.values(roads ?? {})) await road.stop();
});

afterEach(() => {
  for (const road of Object.values(roads)) road.slowDown(0);
  expect(troubles).toEqual([]);
});

function channelOf(name: string, partition: number): string {
  for (let n = 0; ; n++) if (partitionOf(`${name}${n}`, PARTITIONS) === partition) return `${name}${n}`;
}

const enter = (uid: string, channels: object = CLAIMS): Promise<Client> => testbed.connect({ uid, channels }, gateway);

/** Everything that is told of a connection, in order. */
function toldOf(uid: string, connectionId: string): string[] {
  const isOwn = ({ envelope: { data, metadata } }: StoredEvent): boolean =>
    [data.uid, data.id, data.connectionId, metadata.connectionId].some(
      (value) => value === uid || value === connectionId,
    );
  return backend.events.filter(isOwn).map(({ envelope }) => (envelope.type as string).replace('hotsock.', ''));
}

async function untilTold(uid: string, connectionId: string, events: number): Promise<string[]> {
  return eventually(() => {
    const told = toldOf(uid, connectionId);
    if (told.length < events) throw new Error(`of ${events} events there are only ${told.join(', ')}`);
    return told;
  });
}

it('connected comes first, whatever the connection does at once, while its gateway is slow to tell', async () => {
  roads.gateway.slowDown(500);
  const claimed = Object.fromEntries(CHANNELS.map((channel) => [channel, { ...CLAIMS['*'], autoSubscribe: true }]));
  // The events of those behind the first wait for the confirmation of its own.
  const uids = Array.from({ length: 5 }, (_, n) => `early${n}`);
  const clients = await Promise.all(uids.map((uid) => enter(uid, { ...CLAIMS, ...claimed })));
  for (const [n, { ws }] of clients.entries()) {
    ws.send({ event: 'said', channel: 'elsewhere', data: 1 });
    ws.send({ event: 'hotsock.channelStorageSet', channel: 'elsewhere', key: `k${n}`, data: 1 });
  }
  for (const [n, { id }] of clients.entries()) {
    // Two members, four subscriptions, a message and an entry.
    const told = await untilTold(`early${n}`, id, 9);
    expect([n, told[0]]).toEqual([n, 'connected']);
    expect(told.filter((name) => name === 'connected')).toHaveLength(1);
  }
  await Promise.all(clients.map(({ ws }) => ws.close()));
});

it('what a client asks for and goes at once is done, while its gateway is slow to tell that it has come', async () => {
  roads.gateway.slowDown(500);
  const { id, ws } = await enter('brief');
  ws.send({ event: 'said', channel: 'elsewhere', data: 1 });
  ws.send({ event: 'hotsock.channelStorageSet', channel: 'elsewhere', key: 'brief', data: 1 });
  await ws.close();
  const told = await untilTold('brief', id, 4);
  expect(told[0]).toBe('connected');
  expect([...told].sort()).toEqual(['channelStorageUpdated', 'connected', 'disconnected', 'messagePublished']);
});

it('disconnected comes last while the owners of its channels are slow to tell', async () => {
  roads.sequencer.slowDown(SLOW_MS);
  const inAll = async (uid: string): Promise<Client> => {
    const client = await enter(uid);
    for (const channel of CHANNELS) await client.subscribe(channel);
    return client;
  };
  // Of two that go at the same time, the events of one wait for those of the other.
  const both = await Promise.all([inAll('one'), inAll('other')]);
  const ended = CHANNELS.map(async (channel): Promise<readonly [string, Client, number]> => {
    const uid = `left ${channel}`;
    const client = await enter(uid);
    await client.subscribe(channel);
    await client.unsubscribe(channel);
    await client.ws.close();
    return [uid, client, channel.startsWith('presence.') ? 6 : 4];
  });
  // Its subscription begins when it has gone.
  const gone = await enter('gone');
  gone.ws.send({ event: 'hotsock.subscribe', channel: CHANNELS[2] });
  await gone.ws.close();
  await Promise.all(both.map(({ ws }) => ws.close()));
  const all = [['one', both[0], 14], ['other', both[1], 14], ['gone', gone, 6], ...(await Promise.all(ended))] as const;
  for (const [uid, { id }, events] of all) {
    expect([uid, (await untilTold(uid, id, events)).at(-1)]).toEqual([uid, 'disconnected']);
  }
});
