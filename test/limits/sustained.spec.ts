import { setTimeout as delay } from 'node:timers/promises';
import { API_KEY, type Client, connectToken, Testbed } from '../support/installation';
import { type Frame, HandshakeRefused, WsClient } from '../support/ws-client';

/**
 * Each rate asked for at twice of it, for so many seconds: rate·T + burst pass (limits §1). A limit that does nothing lets
 * nearly twice as much pass.
 */
const SECONDS = Number(process.env.HEARTH_SUSTAINED_SECONDS ?? 10);
const RATE = 10;
const RATES = `${RATE},${RATE}`;

let testbed: Testbed;
beforeAll(async () => {
  testbed = await Testbed.start({
    HEARTH_LIMIT_UID_HANDSHAKES: RATES,
    HEARTH_LIMIT_ADDRESS_HANDSHAKES: RATES,
    HEARTH_LIMIT_ADDRESS_REFUSALS: RATES,
    HEARTH_LIMIT_API_KEY_REQUESTS: RATES,
    // Whoever says nothing of where it is, is at an address of this machine, which has no limits.
    HEARTH_TRUSTED_PROXIES: '127.0.0.0/8',
  });
});
afterAll(() => testbed?.stop());

const CHANNEL = {
  ...{ subscribe: true, historyStart: 0 },
  messages: { '*': { publish: true, echo: true, react: true } },
};

/** @returns for how long it asked, s */
async function askTwiceAsOften(ask: (n: number) => unknown): Promise<number> {
  const begin = performance.now();
  for (let n = 0; n < 2 * RATE * SECONDS; n++) {
    await delay(Math.max(0, begin + (1_000 * n) / (2 * RATE) - performance.now()));
    ask(n);
  }
  return (performance.now() - begin) / 1_000;
}

/** How much of what was asked for in so many seconds passed, of what may; 1 when the limit is kept. */
const share = (passed: number, seconds: number): number => passed / (RATE * seconds + RATE);

const open = (limits: Record<string, unknown>, uid: string): Promise<Client> =>
  testbed.connect({ uid, channels: { '*': CHANNEL }, limits: { publish: -1, frames: -1, ...limits } });

/** Asks for something at twice its rate, and tells how much of what may pass has passed. */
type Row = readonly [name: string, ask: () => Promise<number>];

/** What a client asks for, and of what it is told how much has passed. */
const OPERATIONS: readonly [limit: string, frame: (n: number) => object | string, passed: (frame: Frame) => boolean][] =
  [
    ['publish', (n) => ({ event: 'e', channel: 'c', data: n }), ({ event }) => event === 'e'],
    [
      'subscribe',
      (n) => ({ event: n % 2 === 0 ? 'hotsock.subscribe' : 'hotsock.unsubscribe', channel: 'd' }),
      ({ event, channel }) => /^hotsock.(un)?subscribed$/.test(event) && channel === 'd',
    ],
    [
      'presence',
      () => ({ event: 'hotsock.umdUpdate', data: { token: 'x' } }),
      ({ error }) => error?.code === 'INVALID_UMD_TOKEN',
    ],
    [
      'storage',
      () => ({ event: 'hotsock.channelStorageGet', channel: 'c', key: 'k' }),
      ({ error }) => error?.code === 'STORAGE_PERMISSION_DENIED',
    ],
    [
      'reaction',
      () => ({
        event: 'hotsock.messageReaction',
        channel: 'c',
        data: { messageId: '01JA3S0TNEC2QBYMZRBMCEXGNW', reaction: 'r', action: 'add' },
      }),
      ({ error }) => error?.code === 'MESSAGE_NOT_FOUND',
    ],
    ['frames', () => ({ event: 'hotsock.ping' }), ({ event }) => event === 'hotsock.pong'],
  ];

/** Operations of a connection, over its socket. */
const operations = OPERATIONS.map(([limit, frame, passed]): Row => [
  limit,
  async () => {
    const client = await open({ [limit]: [RATE, RATE] }, `sustained-${limit}`);
    if (limit !== 'frames' && limit !== 'subscribe') await client.subscribe('c');
    const before = client.ws.frames.filter(passed).length;
    const seconds = await askTwiceAsOften((n) => client.ws.send(frame(n)));
    // The last answer is on its way.
    await delay(200);
    return share(client.ws.frames.filter(passed).length - before, seconds);
  },
]);

/** Asks for something that is answered with a status. */
const asking = (name: string, ask: (n: number) => Promise<number>, passing: number): Row => [
  name,
  async () => {
    const answers: Promise<number>[] = [];
    const seconds = await askTwiceAsOften((n) => answers.push(ask(n)));
    return share((await Promise.all(answers)).filter((status) => status === passing).length, seconds);
  },
];

async function bytes(): Promise<number> {
  // What comes in one read passes together and is paid for afterwards: 64 KiB are to be little beside what passes in all.
  const size = 30_000;
  const client = await open({ bytes: [RATE * size, RATE * size] }, 'sustained-bytes');
  const text = '{"event":"hotsock.ping"}'.padEnd(size - 16);
  const seconds = await askTwiceAsOften(() => client.ws.socket.send(text));
  const passed = client.ws.frames.filter(({ event }) => event === 'hotsock.pong').length;
  client.ws.socket.terminate();
  return share(passed, seconds);
}

async function history(): Promise<number> {
  const client = await open({ history: [RATE, RATE] }, 'sustained-history');
  await client.subscribe('c');
  const [, ask] = asking('', () => client.call('listMessages', { channel: 'c' }).then(({ status }) => status), 200);
  return ask();
}

/** The status of a handshake, 101 when it is let in. */
async function handshake(address: string, uid: string): Promise<number> {
  const url = testbed.gateways[0]?.wsUrl ?? '';
  const client = await WsClient.open(url, connectToken({ uid }), { 'x-forwarded-for': address }).catch(
    (error: unknown) => error,
  );
  if (client instanceof WsClient) void client.close();
  return client instanceof HandshakeRefused ? client.status : 101;
}

async function wrongKey(): Promise<number> {
  const headers = { authorization: `Bearer not-${API_KEY}`, 'x-forwarded-for': '198.51.100.2' };
  const answer = await fetch(`${testbed.publishApiUrl}/publish`, { method: 'POST', body: '{}', headers });
  await answer.text();
  return answer.status;
}

it('every rate is kept at twice of it: so much passes, and no more', async () => {
  const rows: readonly Row[] = [
    ...operations,
    ['bytes', bytes],
    ['history', history],
    asking('handshakes of a user', (n) => handshake(`203.0.113.${n % 100}`, 'sustained'), 101),
    asking('handshakes of an address', (n) => handshake('198.51.100.1', `sustained-${n}`), 101),
    asking('wrong credentials of an address', wrongKey, 401),
    asking('calls of an API key', () => testbed.get('/schedules').then(({ status }) => status), 200),
  ];
  const shares = await Promise.all(rows.map(async ([name, ask]) => [name, await ask()] as const));
  // Who stands still for a while asks for less than there is; that is the machine's fault, and not the limit's.
  expect(shares.filter(([, one]) => one < 0.5 || one > 1.1)).toEqual([]);
});

it('strikes at twice their rate close a connection, and at half of it do not', async () => {
  const [patient, impatient] = await Promise.all(
    [4 * RATE, RATE].map((rate) => open({ publish: 0.001, strikes: [rate, rate] }, `sustained-strikes-${rate}`)),
  );
  await askTwiceAsOften((n) => {
    for (const client of [patient, impatient]) client?.ws.send({ event: 'e', channel: 'c', data: n });
  });
  // Without the limit it would stay open for ever.
  expect((await Promise.race([impatient?.ws.closed, delay(30_000, undefined, { ref: false })]))?.code).toBe(4429);
  patient?.ws.send({ event: 'hotsock.ping' });
  await patient?.ws.next('hotsock.pong');
});
