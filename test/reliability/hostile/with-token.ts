import { randomUUID } from 'node:crypto';
import { Agent, request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { type Target, tokenFor } from './installation';
import type { Scenario, Strike } from './scenarios';

const DATA = 'x'.repeat(100);
/** As much waits at the attacker as it takes to be faster than whoever reads. */
const BUFFERED = 200_000;
const AT_ONCE = 200;

const everything = (store: number): object => ({
  '*': {
    subscribe: true,
    messages: { '*': { publish: true, store, react: true, scheduleBefore: 4_000_000_000 } },
    storage: { '*': { set: true } },
  },
});

/** An open connection of which nothing is read but errors of the connection itself. */
function open(target: Target, claims: Record<string, unknown>): Promise<WebSocket> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://127.0.0.1:${target.port}/v1?token=${tokenFor(target, claims)}`);
    socket.once('message', () => resolve(socket));
    socket.on('unexpected-response', (_, { statusCode }) => reject(new Error(String(statusCode))));
    socket.on('error', reject);
  });
}

/** Beside it, what the client HTTP API wants to see. */
function openForHttp(target: Target, claims: Record<string, unknown>): Promise<{ socket: WebSocket; query: string }> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://127.0.0.1:${target.port}/v1?token=${tokenFor(target, claims)}`);
    socket.once('message', (text: Buffer) => {
      const { connectionId, connectionSecret } = (JSON.parse(text.toString()) as { data: Record<string, string> }).data;
      resolve({
        socket,
        query: new URLSearchParams({ connectionId, connectionSecret } as Record<string, string>).toString(),
      });
    });
    socket.on('error', reject);
  });
}

/** Sends as fast as it is read, and comes back when it is closed. */
async function flood(
  target: Target,
  claims: Record<string, unknown>,
  first: readonly object[],
  next: (n: number) => string,
): Promise<never> {
  for (let n = 0; ;) {
    const socket = await open(target, claims).catch(() => undefined);
    if (socket === undefined) {
      await delay(100);
      continue;
    }
    for (const frame of first) socket.send(JSON.stringify(frame));
    while (socket.readyState === WebSocket.OPEN) {
      for (let sent = 0; sent < AT_ONCE; sent++) socket.send(next(n++));
      do await delay(1);
      while (socket.bufferedAmount > BUFFERED && socket.readyState === WebSocket.OPEN);
    }
  }
}

/** Four clients that publish as fast as they can, each on a channel of its own or all on one. */
const publishers = (store: number, channelOf: (n: number) => string): Pick<Scenario, 'strike'> => ({
  strike: (target) =>
    Promise.all(
      [0, 1, 2, 3].map((n) => {
        const channel = channelOf(n);
        const text = JSON.stringify({ event: 'e', channel, data: DATA });
        const subscribe = { event: 'hotsock.subscribe', channel };
        return flood(target, { uid: `f${n}`, channels: everything(store) }, [subscribe], () => text);
      }),
    ),
});

/** One operation on one connection, again and again, each a little different. */
const operations =
  (next: (n: number) => object): Strike =>
  (target) =>
    flood(target, { uid: 'a', channels: everything(0) }, [{ event: 'hotsock.subscribe', channel: 'c' }], (n) =>
      JSON.stringify(next(n)),
    );

/** Connects and goes, again and again. */
const connecting =
  (claims: (n: number) => Record<string, unknown>): Strike =>
  async (target) => {
    for (let n = 0; ; n++) {
      const socket = await open(target, claims(n)).catch(() => undefined);
      if (socket === undefined) await delay(20);
      else socket.terminate();
    }
  };

/** Asks again and again, with so many requests at once, until its credential is not good any more: then its address would be shut out. */
function asking(
  { port, apiKey }: Target,
  path: string,
  requestsAtOnce: number,
  body: (n: number) => object,
): Promise<unknown> {
  const agent = new Agent({ keepAlive: true, maxSockets: requestsAtOnce });
  const headers = { authorization: `Bearer ${apiKey}` };
  const one = (n: number): Promise<boolean> =>
    new Promise((resolve) => {
      const sent = request({ agent, port, host: '127.0.0.1', method: 'POST', path, headers }, (answer) =>
        answer.resume().on('end', () => resolve(answer.statusCode !== 401)),
      );
      sent.on('error', () => resolve(true));
      sent.end(JSON.stringify(body(n)));
    });
  const lane = async (at: number): Promise<void> => {
    for (let n = at; await one(n); n += requestsAtOnce);
  };
  return Promise.all(Array.from({ length: requestsAtOnce }, (_, at) => lane(at)));
}

/** A backend. */
const publishing =
  (path: string, requestsAtOnce: number, body: (n: number) => object): Strike =>
  (target) =>
    asking(target, path, requestsAtOnce, body);

/** A client that reads pages of 1 MiB. */
const reading: Strike = async (target) => {
  const channel = 'pages';
  const claims = {
    uid: 'reader',
    channels: { [channel]: { subscribe: true, historyStart: 0, messages: { '*': { publish: true, store: 600 } } } },
  };
  const { socket, query } = await openForHttp(target, claims);
  socket.send(JSON.stringify({ event: 'hotsock.subscribe', channel }));
  for (let n = 0; n < 40; n++) socket.send(JSON.stringify({ event: 'e', channel, data: 'x'.repeat(30_000) }));
  return asking(target, `/connection/listMessages?${query}`, AT_ONCE, () => ({ channel }));
};

const document = (channel: string, store = 0) => ({ channel, event: 'e', data: DATA, store });
const manyChannels = (n: number): Record<string, object> =>
  Object.fromEntries(Array.from({ length: n }, (_, at) => [`auto.${at}`, { subscribe: true, autoSubscribe: true }]));
/** Within every limit on patterns, and as much work as that allows. */
const patterns = Object.fromEntries(
  Array.from({ length: 60 }, (_, at) => [`#regex:^(\\pL|\\d|_){1,40}x${at}$`, { subscribe: true }]),
);

const reaction = (n: number): object => ({
  event: 'hotsock.messageReaction',
  channel: 'c',
  data: { messageId: '01JA3S0TNEC2QBYMZRBMCEXGNW', reaction: `r${n}`, action: 'add' },
});
const parked = (n: number): object => ({
  ...{ event: 'e', channel: 'c', data: n },
  scheduleExpression: 'at(2090-01-01T00:00:00)',
});

/** What somebody with a good token or key can do, when it is out of its mind. */
export const withToken: readonly Scenario[] = [
  ...(
    [
      ['four clients publish, a channel each', publishers(0, (n) => `flood.${n}`)],
      ['four clients publish, a channel each, stored', publishers(600, (n) => `flood.${n}`)],
      ['four clients publish to one channel', publishers(0, () => 'flood')],
    ] as const
  ).map(([name, { strike }]) => ({ name, strike, who: 'client' as const, isUnlimited: true })),
  {
    name: 'one key publishes',
    who: 'backend',
    isUnlimited: true,
    strike: publishing('/publish', 64, (n) => document(`flood.${n % 8}`)),
  },
  {
    name: 'one key publishes to one channel, in batches, stored',
    who: 'backend',
    isUnlimited: true,
    strike: publishing('/publish/batch', 16, () => Array.from({ length: 100 }, () => document('flood', 600))),
  },
  {
    name: 'tokens with 1,000 autoSubscribe in a loop',
    who: 'client',
    isUnlimited: true,
    strike: connecting((n) => ({ uid: `auto-${n}`, channels: manyChannels(1_000) })),
  },
  {
    name: 'a member comes and goes among 100',
    who: 'client',
    strike: async (target) => {
      const channel = 'presence.full';
      const subscribe = { event: 'hotsock.subscribe', channel };
      for (let n = 0; n < 100; n++) {
        const socket = await open(target, { uid: `m${n}`, channels: everything(0) });
        socket.send(JSON.stringify(subscribe));
      }
      const texts = [subscribe, { event: 'hotsock.unsubscribe', channel }].map((frame) => JSON.stringify(frame));
      const claims = { uid: 'flaps', channels: everything(0), limits: { subscribe: -1, presence: -1, frames: -1 } };
      return flood(target, claims, [], (n) => texts[n % 2] ?? '');
    },
  },
  { name: 'connections in a loop', who: 'client', strike: connecting(() => ({ uid: 'one' })), peers: 4 },
  {
    name: 'regular expressions, others in each token',
    who: 'client',
    strike: connecting(() => ({ uid: randomUUID(), channels: { ...patterns, [`#regex:${randomUUID()}`]: {} } })),
  },
  {
    name: 'subscriptions without end',
    who: 'client',
    strike: operations((n) => ({ event: 'hotsock.subscribe', channel: `s${n}` })),
  },
  { name: 'pages of history, 200 at once', who: 'client', strike: reading },
  { name: 'different reactions to one message', who: 'client', strike: operations(reaction) },
  { name: 'parked messages', who: 'client', strike: operations(parked) },
  {
    name: 'storage keys',
    who: 'client',
    strike: operations((n) => ({ event: 'hotsock.channelStorageSet', channel: 'c', key: `k${n}`, data: n })),
  },
];
