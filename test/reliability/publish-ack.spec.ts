import { setTimeout as delay } from 'node:timers/promises';
import { Client as Sql } from 'pg';
import { io, type Socket } from 'socket.io-client';
import { Client, connectToken, Testbed } from '../support/installation';
import { eventually } from '../support/eventually';
import { keepStreams } from '../support/power-cut';
import type { Frame } from '../support/ws-client';

/**
 * `HEARTH_PUBLISH_ACK=log`: whatever is confirmed is committed, by whichever door it came. While Postgres commits nothing,
 * nothing is.
 */
let testbed: Testbed;
let sql: Sql;
let messageId: string;

beforeAll(async () => {
  testbed = await Testbed.start({ HEARTH_PUBLISH_ACK: 'log', HEARTH_HTTP_TIMEOUT_MS: '2000' });
  sql = new Sql(testbed.database.url);
  await sql.connect();
  [messageId = ''] = await testbed.store('c', 'a message to react to');
}, 90_000);
afterAll(async () => {
  await sql?.end();
  await testbed?.stop();
});

const scheduleBefore = Math.ceil(Date.now() / 1_000) + 7_200;
const scheduleExpression = `at(${new Date(Date.now() + 3_600_000).toISOString().slice(0, 19)})`;
const CLAIMS = {
  uid: 'u1',
  channels: {
    c: {
      subscribe: true,
      historyStart: 0,
      messages: { '*': { publish: true, store: 600, react: true, scheduleBefore } },
      storage: { '*': { set: true, store: 600, scheduleBefore } },
    },
  },
};

const message = { channel: 'c', event: 'e' };
const write = { channel: 'c', event: 'hotsock.channelStorageSet', key: 'k' };
/** So that what is published until then fits into one page of history. */
const NOTED_AFTER_MS = 200;
let reactions = 0;
const reaction = () => ({
  channel: 'c',
  event: 'hotsock.messageReaction',
  data: { messageId, reaction: `r${reactions++}`, action: 'add' },
});

const REQUESTS: [string, () => Frame][] = [
  ['a message', () => ({ ...message, data: 1 })],
  ['a scheduled message', () => ({ ...message, data: 1, scheduleExpression })],
  ['a storage entry', () => ({ ...write, data: Math.random() })],
  ['a scheduled storage entry', () => ({ ...write, data: Math.random(), scheduleExpression })],
  ['a reaction', reaction],
];

/** Sends something and tells whether it was confirmed. */
type Door = (request: Frame) => Promise<boolean>;

let socket: Socket | undefined;
let client: Client | undefined;
afterEach(async () => {
  socket?.disconnect();
  await client?.ws.close();
});

async function overSocketIo(): Promise<Door> {
  const token = connectToken(CLAIMS);
  const opened = io(testbed.gateways[0]!.httpUrl, { transports: ['websocket'], forceNew: true, auth: { token } });
  socket = opened;
  await opened.emitWithAck('hotsock.subscribe', { channel: 'c' });
  return async ({ event, ...rest }) => {
    const answer: Frame = await opened.emitWithAck(event as string, rest);
    return answer?.error === undefined;
  };
}

async function overHttp(): Promise<Door> {
  const opened = await testbed.connect(CLAIMS);
  client = opened;
  await opened.subscribe('c');
  return async ({ event, ...rest }) => {
    const isWrite = event === 'hotsock.channelStorageSet';
    const answer = isWrite
      ? await opened.call('channelStorageSet', rest)
      : await opened.call('publishMessage', { event, ...rest });
    return answer.status < 300;
  };
}

async function byBackend(): Promise<Door> {
  return async (request) => (await testbed.publishOne({ store: 600, ...(request as object) })).status < 300;
}

/** Makes everything wait that writes down how far a partition has come, as all commits of sequencers do. */
async function whileNothingIsCommitted<T>(work: () => Promise<T>): Promise<T> {
  await sql.query('begin');
  try {
    await sql.query('select from partition_state for update');
    return await work();
  } finally {
    await sql.query('rollback');
  }
}

describe.each([
  ['Socket.IO', overSocketIo],
  ['the client HTTP API', overHttp],
  ['the server-side HTTP API', byBackend],
])('over %s', (_name, open) => {
  it.each(REQUESTS)('%s is confirmed once it is committed, and not before', async (_what, request) => {
    const send = await open();
    expect(await send(request())).toBe(true);
    expect(await whileNothingIsCommitted(() => send(request()))).toBe(false);
    expect(await send(request())).toBe(true);
  });
});

it('what is confirmed survives a power cut that takes it from all streams, and comes to whoever was away (R19)', async () => {
  const channel = 'cut';
  const claims = { uid: 'u1', channels: { [channel]: { subscribe: true, historyStart: 0 } } };
  const subscribe = async (resume: unknown): Promise<Client> => {
    const opened = await testbed.connect(claims);
    opened.ws.send({ event: 'hotsock.subscribe', channel, data: { resume } });
    await opened.ws.next('hotsock.subscribed');
    return opened;
  };
  const tokenOf = ({ ws }: Client): string =>
    ws.frames.find(({ event }) => event === 'hotsock.subscribed')?.data.resume.token as string;
  const dataOf = (frames: readonly Frame[]): unknown[] =>
    frames.filter(({ event }) => event === 'e').map(({ data }) => data as unknown);
  const confirmed: number[] = [];
  const publish = async (count: number): Promise<void> => {
    for (let n = 0; n < count; n++) {
      const data = confirmed.length;
      const one = { channel, event: 'e', data, store: 600, deduplicationId: `cut-${data}` };
      await eventually(async () => expect((await testbed.publishOne(one)).status).toBe(202));
      confirmed.push(data);
    }
  };
  const [live, away] = [await subscribe(true), await subscribe(true)];
  const point = { token: tokenOf(away) };
  await away.ws.close();
  await publish(3);
  const cutPower = await keepStreams(testbed.nats);
  // After a restart of NATS it takes a moment until places of the deliver stream are noted again, by which a loss is noticed.
  const noted = async (): Promise<number> =>
    (await sql.query<{ seq: number }>('select max(deliver_seq)::int as seq from partition_state')).rows[0]?.seq ?? 0;
  const before = await noted();
  const keptOfAll = confirmed.length;
  await eventually(async () => {
    await publish(1);
    await delay(NOTED_AFTER_MS);
    expect(await noted()).toBeGreaterThan(before);
  });
  await publish(5);
  const lost = confirmed.length - keptOfAll;
  // In this moment, so that nothing but the commit can have kept the last of them.
  await testbed.app('sequencer').kill('SIGKILL');
  await cutPower();
  await testbed.add('sequencer');
  await publish(3);

  // Nobody is left who knows what the streams have lost, so whoever was there is told to come back.
  expect(await live.ws.closed).toEqual({ code: 1013, reason: 'Messages missed' });
  const seen = live.ws.frames.filter(({ event }) => event === 'e');
  const again = await subscribe({ token: tokenOf(live), after: seen.at(-1)?.id });
  await eventually(() => expect([...dataOf(seen), ...dataOf(again.ws.frames)]).toEqual(confirmed));
  const back = await subscribe(point);
  await eventually(() => expect(dataOf(back.ws.frames)).toEqual(confirmed));
  const listed = await back.list({ channel });
  expect(listed.map(({ data }) => data as unknown)).toEqual(confirmed);
  expect(listed.map(({ id }) => id as string)).toEqual(listed.map(({ id }) => id as string).sort());
  process.stdout.write(
    `HEARTH_PUBLISH_ACK=log: ${confirmed.length} confirmed, ${lost} of them gone from all streams, 0 lost\n`,
  );
  for (const { ws } of [again, back]) await ws.close();
});
