import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { Metrics } from '../admin/metrics';
import { Backlogs } from '../limits/backlogs';
import { LimitAnswers } from '../limits/limit-answers';
import { partsOf, UnreadAnswers } from './unread-answers';

/** What answers cost that clients do not read (limits §2, `BACKLOG_BYTES`). */

const MIB = 1_048_576;
/** More than a system keeps for a client, whatever it is. */
const LARGE = Buffer.alloc(16 * MIB);
const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';

const opened: Socket[] = [];
const servers: Server[] = [];
afterEach(() => {
  opened.splice(0).forEach((socket) => socket.destroy());
  servers.splice(0).forEach((server) => void server.close().closeAllConnections());
});

async function listen(most: number, answer: RequestListener = (_, reply) => reply.end(LARGE)) {
  const metrics = new Metrics();
  const backlogs = new Backlogs(most);
  const limits = new LimitAnswers(metrics, { warn: () => undefined } as never);
  const server = createServer(partsOf(new UnreadAnswers(backlogs, limits)), answer);
  servers.push(server.listen(0, '127.0.0.1'));
  await once(server, 'listening');
  const ask = (text = GET): Socket => {
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    opened.push(socket.on('error', () => undefined).pause());
    socket.write(text);
    return socket;
  };
  const closed = () => metrics.limited.of('backlogBytes').of('closed').value;
  return { server, backlogs, ask, closed };
}

/** Asks on one connection after the other, each when the answer to the one before waits. */
async function askInTurn(server: Server, ask: () => Socket, count: number): Promise<Socket[]> {
  const sockets: Socket[] = [];
  for (let n = 0; n < count; n++) {
    const asked = once(server, 'request');
    sockets.push(ask());
    await asked;
  }
  return sockets;
}

/** Reads to the end of the connection. @returns bytes */
async function readAll(socket: Socket): Promise<number> {
  let bytes = 0;
  socket.on('data', (chunk: Buffer) => (bytes += chunk.length)).resume();
  if (!socket.closed) await once(socket, 'close');
  return bytes;
}

it('ends those that have waited longest when the answers of all are too much, and nobody else', async () => {
  const { server, backlogs, ask, closed } = await listen(40 * MIB, (_, reply) => {
    reply.setHeader('Connection', 'close').end(LARGE);
  });
  const [first, second, third] = await askInTurn(server, ask, 3);
  expect(await readAll(first as Socket)).toBeLessThan(LARGE.length);
  expect(closed()).toBe(1);
  expect(backlogs.bytes).toBeGreaterThan(0);
  for (const socket of [second, third]) expect(await readAll(socket as Socket)).toBeGreaterThan(LARGE.length);
  expect(closed()).toBe(1);
  expect(backlogs.bytes).toBe(0);
});

it('counts answers that wait behind another one of their connection', async () => {
  const { ask, closed } = await listen(40 * MIB);
  expect(await readAll(ask(GET.repeat(1)).resume().end())).toBeGreaterThan(LARGE.length);
  expect(closed()).toBe(0);
  const socket = ask(GET.repeat(3));
  await once(
    socket.on('end', () => undefined),
    'readable',
  );
  expect(await readAll(socket)).toBeLessThan(LARGE.length);
  expect(closed()).toBe(1);
});

it('counts nothing of answers that leave at once, nor of connections that are gone', async () => {
  const { server, backlogs, ask } = await listen(Infinity, (request, reply) => {
    reply.end(request.url === '/' ? LARGE : 'small');
  });
  await askInTurn(server, () => ask(GET.replace('/', '/small')), 1);
  expect(backlogs.all.size).toBe(0);
  const [socket] = await askInTurn(server, ask, 1);
  expect(backlogs.bytes).toBeGreaterThan(LARGE.length);
  const gone = once(socket as Socket, 'close');
  socket?.destroy();
  await gone;
  while (backlogs.all.size > 0) await new Promise(setImmediate);
  expect(backlogs.bytes).toBe(0);
});
