import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { type AddressInfo, BlockList, connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { Metrics } from '../admin/metrics';
import { type AddressSettings, AddressLimits } from '../limits/address-limits';
import { LimitAnswers } from '../limits/limit-answers';
import { peerAddress } from './client-origin';
import { limitPeers } from './peers';

/** What peers cost of whom nothing is known (limits §6). */

const UNREAD_MS = 300;
const servers: Server[] = [];
afterEach(() => servers.splice(0).forEach((server) => void server.close().closeAllConnections()));

/** Addresses of this machine count like any other. */
const SETTINGS: AddressSettings = {
  limitAddressSockets: Infinity,
  limitAddressConnections: Infinity,
  limitAddressHandshakes: 'unlimited',
  limitAddressRefusals: 'unlimited',
  limitAddressRequests: 'unlimited',
  limitAddressExempt: new BlockList(),
  trustedProxies: [],
};

async function listen(
  settings: Partial<AddressSettings> = {},
  answer: RequestListener = (_, reply) => reply.end('x'),
  unreadMs?: number,
) {
  const metrics = new Metrics();
  const answers = new LimitAnswers(metrics, { warn: () => undefined } as never);
  const addresses = new AddressLimits({ ...SETTINGS, ...settings }, answers);
  const server = createServer(answer);
  limitPeers(server, addresses, ({ socket }) => peerAddress(socket), unreadMs);
  servers.push(server.listen(0, '127.0.0.1'));
  await once(server, 'listening');
  const limited = (limit: string, how: string) => metrics.limited.of(limit).of(how).value;
  // What becomes of them in the end is nobody's business.
  const open = () => connect((server.address() as AddressInfo).port, '127.0.0.1').on('error', () => undefined);
  return { addresses, limited, open };
}

const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';

function closed(socket: Socket): Promise<unknown> {
  return socket.closed
    ? Promise.resolve()
    : once(
        socket.resume().on('error', () => undefined),
        'close',
      );
}

/** How many answers have come on it by now. */
function answersOn(socket: Socket): () => number {
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
  return () => text.split('HTTP/1.1 200').length - 1;
}

describe('answers', () => {
  const large = Buffer.alloc(16_000_000);

  it('that are not read end their connection, also when more was asked for', async () => {
    let resolve: () => void;
    const ended = new Promise<void>((done) => (resolve = done));
    const { open } = await listen(
      {},
      (request, reply) => {
        if (request.url === '/') reply.once('close', resolve);
        reply.end(large);
      },
      UNREAD_MS,
    );
    const socket = open().pause();
    socket.write(GET + GET.replace('/', '/second'));
    await ended;
    expect(socket.bytesRead).toBeLessThan(large.length);
    socket.destroy();
  });

  it('may be read as slowly as a client likes, and made as slowly', async () => {
    const answer: RequestListener = (_, reply) => void setTimeout(() => reply.end(large), 3 * UNREAD_MS);
    const { open } = await listen({}, answer, UNREAD_MS);
    const socket = open();
    socket.write(GET);
    let bytes = 0;
    for await (const chunk of socket) {
      bytes += (chunk as Buffer).length;
      if (bytes > large.length) break;
      if (bytes % 7 === 0) await delay(UNREAD_MS / 30);
    }
    expect(bytes).toBeGreaterThan(large.length);
  });
});

describe('connections of an address', () => {
  it('are closed at once when there are too many; one that ends makes room', async () => {
    const { open, limited } = await listen({ limitAddressSockets: 2 });
    const [first, second] = [open(), open()];
    for (const socket of [first, second]) {
      const answers = answersOn(socket);
      socket.write(GET);
      await once(socket, 'data');
      expect(answers()).toBe(1);
    }
    const third = open();
    third.write(GET);
    await closed(third);
    expect(third.bytesRead).toBe(0);
    expect(limited('addressSockets', 'closed')).toBe(1);
    first.destroy();
    for (let isIn = false; !isIn;) {
      const socket = open();
      socket.on('error', () => undefined).write(GET);
      isIn = await Promise.race([once(socket, 'data').then(() => true), once(socket, 'close').then(() => false)]);
    }
  });

  it.each<[string, Partial<AddressSettings>]>([
    ['no limit', { limitAddressSockets: Infinity }],
    ['a trusted proxy', { limitAddressSockets: 1, trustedProxies: ['127.0.0.0/8'] }],
  ])('may be any number with %s', async (_, settings) => {
    const { open } = await listen(settings);
    for (let n = 0; n < 5; n++) {
      const socket = open();
      socket.write(GET);
      await once(socket, 'data');
    }
  });
});

describe('requests without a credential', () => {
  const RATE = { perSecond: 40, burst: 20 };

  /** Asks at twice the rate for so long, on many connections in turn. */
  async function ask(seconds: number, settings: Partial<AddressSettings>) {
    const server = await listen(settings);
    const sockets = Array.from({ length: 50 }, server.open);
    const counts = sockets.map(answersOn);
    const begin = performance.now();
    for (let asked = 0; asked < seconds * 2 * RATE.perSecond; asked++) {
      await delay(Math.max(0, begin + (1_000 * asked) / (2 * RATE.perSecond) - performance.now()));
      sockets[asked % sockets.length]?.write(GET);
    }
    const answered = counts.reduce((sum, count) => sum + count(), 0);
    return { ...server, answered, seconds: (performance.now() - begin) / 1_000 };
  }

  it('are answered at their rate, for as long as they come', async () => {
    const { answered, seconds, limited } = await ask(10, { limitAddressRequests: RATE });
    const expected = RATE.perSecond * seconds + RATE.burst;
    expect(answered).toBeGreaterThan(expected * 0.9);
    expect(answered).toBeLessThan(expected * 1.1);
    expect(limited('addressRequests', 'delayed')).toBeGreaterThan(0);
  });

  it('are all answered at once without a limit', async () => {
    const { answered } = await ask(1, { limitAddressRequests: 'unlimited' });
    expect(answered).toBeGreaterThan(2 * RATE.perSecond - 4);
  });

  it('do not count when it comes out that they had a good one', async () => {
    let isGood = true;
    const server = await listen({ limitAddressRequests: { perSecond: 0.001, burst: 2 } }, (request, reply) => {
      if (isGood) server.addresses.accepted('127.0.0.1', request);
      reply.end('x');
    });
    const socket = server.open();
    for (let n = 0; n < 50; n++) {
      socket.write(GET);
      await once(socket, 'data');
    }
    expect(server.limited('addressRequests', 'delayed')).toBe(0);
    isGood = false;
    socket.write(GET.repeat(3));
    await closed(socket);
    expect(server.limited('addressRequests', 'refused')).toBe(1);
  });

  it('are given back by none that did not count, or was given back before', async () => {
    const server = await listen({ limitAddressRequests: { perSecond: 0.001, burst: 2 } }, (request, reply) => {
      server.addresses.accepted('127.0.0.1', {});
      if (request.url === '/good') for (let n = 0; n < 3; n++) server.addresses.accepted('127.0.0.1', request);
      reply.end('x');
    });
    const socket = server.open();
    const answers = answersOn(socket);
    for (const path of ['/', '/good', '/', '/']) socket.write(GET.replace('/', path));
    await closed(socket);
    expect(answers()).toBe(3);
  });

  it('end their connection when more than 16 of it would wait', async () => {
    const { open } = await listen({ limitAddressRequests: { perSecond: 1, burst: 1 } });
    const socket = open();
    const answers = answersOn(socket);
    socket.write(GET.repeat(8));
    await once(socket, 'data');
    socket.write(GET.repeat(20));
    await closed(socket);
    expect(answers()).toBeLessThan(8);
  });

  it('are refused when they would wait for too long', async () => {
    const { open, limited } = await listen({ limitAddressRequests: { perSecond: 0.01, burst: 1 } });
    const socket = open();
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    socket.write(GET + GET);
    await closed(socket);
    const [head = '', body = ''] = text.slice(text.lastIndexOf('HTTP/1.1')).split('\r\n\r\n');
    expect(head).toMatch(/^HTTP\/1.1 429 /);
    expect(head).toMatch(/\r\nretry-after: (99|100)\r\n/i);
    expect(head).toMatch(/\r\nconnection: close\r\n/i);
    expect(JSON.parse(body)).toEqual({
      error: {
        code: 'RATE_LIMITED',
        message: expect.any(String),
        limit: 'addressRequests',
        retryAfterMs: expect.any(Number),
      },
    });
    expect(limited('addressRequests', 'refused')).toBe(1);
  });

  it('are not read behind one that is refused', async () => {
    const { open, limited } = await listen({ limitAddressRequests: { perSecond: 0.01, burst: 1 } });
    const socket = open();
    const answers = answersOn(socket);
    socket.write(GET.repeat(100));
    await closed(socket);
    expect(answers()).toBeLessThan(2);
    expect(limited('addressRequests', 'refused')).toBe(1);
  });
});
