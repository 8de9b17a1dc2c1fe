import { Client as Postgres } from 'pg';
import { ClientSocket, openSocket, Transport } from '../reliability/client-socket';
import { eventually } from '../support/eventually';
import { connectToken, Testbed } from '../support/installation';
import type { AppProcess } from '../support/process';
import { Backend, StoredEvent } from './backend';

/** pubsub-events §4.4: also a connection whose gateway cannot tell its end any more has one. */
/** Twice as many are four times the member lists, which this process reads. */
const CONNECTIONS = 100;
/** Between two steps of a client, as a rule. */
const PAUSE_MS = 1_000;
const AUTO = { 'presence.auto': { subscribe: true, autoSubscribe: true } };
const CLAIMS = { '*': { subscribe: true }, ...AUTO };
const CHANNELS = ['room', 'presence.room'];
const ALL_CHANNELS = [...CHANNELS, ...Object.keys(AUTO)];

let testbed: Testbed;
let sql: Postgres;
let backend: Backend;
const troubles: unknown[] = [];

beforeAll(async () => {
  testbed = await Testbed.start();
  sql = new Postgres(testbed.database.url);
  await sql.connect();
  backend = await Backend.open(testbed.nats.url, (error) => troubles.push(error));
});
afterAll(async () => {
  await backend?.close();
  await sql?.end();
  await testbed?.stop();
});

/** A client that enters and leaves channels for as long as it is connected. */
class Restless {
  id: string | undefined;
  isIn = 0;
  /** How it was closed. */
  end: string | undefined;
  private readonly socket: ClientSocket;

  constructor(gateway: AppProcess, transport: Transport, number: number) {
    const token = connectToken({ uid: `u${number}`, channels: CLAIMS });
    this.socket = openSocket(transport, gateway.wsUrl, token, {
      onFrame: ({ event, channel, data }) => {
        if (event === 'hotsock.connected') this.id = data.connectionId;
        if (event === 'hotsock.unsubscribed') this.sendSoon('hotsock.subscribe', channel as string);
        if (event !== 'hotsock.subscribed') return;
        this.isIn++;
        if (channel !== 'presence.auto') this.sendSoon('hotsock.unsubscribe', channel as string);
      },
      onClose: (code, reason) => (this.end = `${code} ${reason}`),
    });
  }

  begin(): void {
    for (const channel of CHANNELS) this.send('hotsock.subscribe', channel);
  }

  leave(): void {
    this.socket.terminate();
  }

  private sendSoon(event: string, channel: string): void {
    setTimeout(() => this.send(event, channel), Math.random() * 2 * PAUSE_MS).unref();
  }

  private send(event: string, channel: string): void {
    const frame = { event, channel };
    this.socket.send(frame);
  }
}

async function crowd(gateway: AppProcess): Promise<Restless[]> {
  const all = Array.from(
    { length: CONNECTIONS },
    (_, n) => new Restless(gateway, n % 2 === 0 ? 'websocket' : 'socket.io', n),
  );
  const isIn = (times: number) => () =>
    expect(all.filter((client) => client.isIn < times).map(({ end }) => end ?? 'waits')).toEqual([]);
  await eventually(isIn(1));
  for (const client of all) client.begin();
  await eventually(isIn(3));
  return all;
}

/** What is told of each connection, in order, without what is told of nothing but channels. */
function toldOf(events: readonly StoredEvent[]): Map<string, StoredEvent[]> {
  const told = new Map<string, StoredEvent[]>();
  for (const event of events) {
    const { dataType, data } = event.envelope;
    if (dataType !== 'connection' && dataType !== 'subscription') continue;
    const id = (dataType === 'connection' ? data.id : data.connectionId) as string;
    told.set(id, [...(told.get(id) ?? []), event]);
  }
  return told;
}

const namesOf = (events: readonly StoredEvent[] = []): string[] =>
  events.map(({ envelope }) => (envelope.type as string).replace('hotsock.', ''));

function expectWholeLives(ids: readonly string[]): void {
  const told = toldOf(backend.events);
  for (const id of ids) {
    const names = namesOf(told.get(id));
    expect([id, names[0], names.at(-1)]).toEqual([id, 'connected', 'disconnected']);
    expect(names.filter((name) => name === 'connected' || name === 'disconnected')).toHaveLength(2);
    for (const channel of ALL_CHANNELS) {
      const inOrder = namesOf(told.get(id)?.filter(({ envelope }) => envelope.data.channel === channel));
      const wanted = inOrder.map((_, index) => (index % 2 === 0 ? 'subscribed' : 'unsubscribed'));
      expect([id, channel, inOrder]).toEqual([id, channel, wanted]);
      expect([id, channel, inOrder.length % 2]).toEqual([id, channel, 0]);
    }
  }
}

const idsOf = (clients: readonly Restless[]): string[] => clients.map(({ id }) => id ?? 'none');
const endsToldOf = (ids: readonly string[]): number => {
  const ended = new Set(backend.eventsOf('disconnected').map(({ envelope }) => envelope.data.id as string));
  return ids.filter((id) => ended.has(id)).length;
};

/** Nobody waits here until its lease has run out: other tests do that. */
async function bury(id = ''): Promise<void> {
  const gatewayId = Buffer.from(id, 'base64url').readUIntBE(0, 3);
  await sql.query('delete from gateway_lease where gateway_id = $1', [gatewayId]);
}

async function replaceSequencer(): Promise<void> {
  const victim = testbed.apps.findLast(({ name }) => name === 'sequencer');
  await victim?.kill('SIGKILL');
  await testbed.add('sequencer');
}

it('each connection of a killed gateway has one end, behind all else that is told of it, whatever dies besides', async () => {
  const [first, second] = testbed.gateways as [AppProcess, AppProcess];
  const [killed, kept] = [await crowd(second), await crowd(first)];
  // Some go by themselves at that moment.
  for (const client of killed.slice(0, 20)) client.leave();
  await second.kill('SIGKILL');
  await bury(killed[0]?.id);
  await eventually(() => expect(endsToldOf(idsOf(killed))).toBeGreaterThan(0));
  await replaceSequencer();
  await eventually(() => expect(endsToldOf(idsOf(killed))).toBe(CONNECTIONS));
  for (const client of kept.slice(0, 20)) client.leave();
  await eventually(() => expect(endsToldOf(idsOf(kept))).toBe(20));
  const reasons = new Set(backend.eventsOf('disconnected').map(({ envelope }) => envelope.metadata.reason as unknown));
  expect([...reasons].sort()).toEqual(['gateway-died', undefined]);

  // Everything is killed and started again.
  await Promise.all([first.kill('SIGKILL'), testbed.app('sequencer').kill('SIGKILL'), replaceSequencer()]);
  await testbed.nats.kill();
  await testbed.nats.restart();
  await bury(kept[0]?.id);
  const all = idsOf([...killed, ...kept]);
  await eventually(() => expect(endsToldOf(all)).toBe(all.length));
  for (const table of ['open_connection', 'open_subscription'])
    await eventually(async () => expect((await sql.query(`select * from ${table}`)).rows).toEqual([]));
  expectWholeLives(all);
  // Those too whose clients never heard that they were connected.
  const known = new Set(all);
  expectWholeLives([...toldOf(backend.events).keys()].filter((id) => !known.has(id)));
  expect(troubles).toEqual([]);
});
