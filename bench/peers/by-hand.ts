/**
 * The least that a server costs which stores a message before it answers: written for the load of this benchmark alone, without
 * limits, ids, order across processes, catch-up. It is sent on from the live copy of the stored message, or, with `READ_BACK`, read
 * back in the order of its stream and stored once more for the subscribers, as Hearth does. Tokens are taken as they are.
 */
import { findNatsServer } from '@hearth/embedded';
import { AckPolicy, connect, createInbox, type NatsConnection } from 'nats';
import { spawn } from 'node:child_process';
import { mkdirSync, writeSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocketServer } from 'ws';

const env = (name: string): string => process.env[name] ?? '';
const rooms = new Map<string, number[]>();
const ANSWER = 'HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}';

function claimsOf(url: string): string[] {
  const token = new URL(url, 'http://localhost').searchParams.get('token') ?? '';
  const claims: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
  return Object.keys((claims as { readonly channels: object }).channels);
}

/** A text frame, built once for all subscribers. */
function send(room: string, text: Uint8Array): void {
  const frame = Buffer.allocUnsafe(4 + text.length);
  frame.writeUInt16BE(0x817e);
  frame.writeUInt16BE(text.length, 2);
  frame.set(text, 4);
  for (const fd of rooms.get(room) ?? []) writeSync(fd, frame);
}

async function startNats(): Promise<NatsConnection> {
  const [program, dir, port] = [await findNatsServer(), env('DATA_DIR'), Number(env('NATS_PORT'))];
  mkdirSync(dir, { recursive: true });
  const server = spawn(program, ['-a', '127.0.0.1', '-p', String(port), '-js', '-sd', dir], { stdio: 'ignore' });
  process.on('exit', () => server.kill('SIGKILL'));
  for (;;) {
    const nats = await connect({ port }).catch(() => undefined);
    if (nats !== undefined) return nats;
    await sleep(100);
  }
}

async function main(): Promise<void> {
  const nats = await startNats();
  const manager = await nats.jetstreamManager();
  for (const name of ['in', 'out']) await manager.streams.add({ name, subjects: [`${name}.>`] });
  const inbox = createInbox();
  const waiting = new Map<string, Socket>();
  let next = 0;
  nats.subscribe(`${inbox}.*`, {
    callback: (_, { subject }) => {
      waiting.get(subject)?.write(ANSWER);
      waiting.delete(subject);
    },
  });
  const isReadBack = env('READ_BACK') !== '';
  const stored = isReadBack ? 'out' : 'in';
  nats.subscribe(`${stored}.>`, { callback: (_, { subject, data }) => send(subject.slice(stored.length + 1), data) });
  if (isReadBack) {
    const back = createInbox();
    await manager.consumers.add('in', { ack_policy: AckPolicy.None, deliver_subject: back, mem_storage: true });
    // The confirmation is asked for, as one must, and nobody waits for it.
    nats.subscribe(back, {
      callback: (_, { subject, data }) => nats.publish(`out${subject.slice(2)}`, data, { reply: `${inbox}.-` }),
    });
  }

  /** @returns what is left of what came, which is no whole request */
  function take(bytes: Buffer, socket: Socket): Buffer {
    for (;;) {
      const end = bytes.indexOf('\r\n\r\n') + 4;
      const length = Number(/content-length: (\d+)/i.exec(bytes.toString('latin1', 0, end))?.[1]);
      if (end < 4 || bytes.length < end + length) return bytes;
      const body = bytes.subarray(end, end + length);
      const { channel } = JSON.parse(body.toString()) as { readonly channel: string };
      const reply = `${inbox}.${next++}`;
      waiting.set(reply, socket);
      nats.publish(`in.${channel}`, body, { reply });
      bytes = bytes.subarray(end + length);
    }
  }

  const http = createHttpServer((_, response) => response.end('ok'));
  const webSockets = new WebSocketServer({ noServer: true });
  http.on('upgrade', (request, socket: Socket, head) =>
    webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      const { fd } = (socket as unknown as { readonly _handle: { readonly fd: number } })._handle;
      const channels = claimsOf(request.url ?? '');
      for (const channel of channels) rooms.set(channel, [...(rooms.get(channel) ?? []), fd]);
      webSocket.on('close', () => {
        for (const channel of channels)
          rooms.set(
            channel,
            (rooms.get(channel) ?? []).filter((one) => one !== fd),
          );
      });
      webSocket.send(JSON.stringify({ subscribed: channels }));
    }),
  );
  createServer((socket) => {
    socket.once('data', (first) => {
      if (!first.toString('latin1', 0, 5).startsWith('POST ')) {
        http.emit('connection', socket);
        return socket.unshift(first);
      }
      let rest = take(first, socket);
      socket.on('data', (more) => (rest = take(rest.length === 0 ? more : Buffer.concat([rest, more]), socket)));
    });
    socket.on('error', () => socket.destroy());
  }).listen(Number(env('PORT')), '127.0.0.1');
}

process.on('SIGTERM', () => process.exit(0));
void main();
