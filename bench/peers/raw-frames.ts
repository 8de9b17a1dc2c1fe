/**
 * The least a Node process can do for a fan-out: the WebSocket frame is built once, what arrives within one turn of the
 * event loop is joined, and every socket gets it in one write. No library, no checks, no limits. Its rate, and the
 * generator's CPU beside it, show how far the load generator goes; nobody should run this.
 */
import { createHash } from 'node:crypto';
import { Socket } from 'node:net';
import { publishEndpoint } from './publish-endpoint';

interface Room {
  readonly sockets: Set<Socket>;
  pending: Buffer[];
}

const rooms = new Map<string, Room>();

function roomOf(channel: string): Room {
  const room = rooms.get(channel) ?? { sockets: new Set(), pending: [] };
  rooms.set(channel, room);
  return room;
}

/** The channels a token names, believed without a look at its signature. */
function channelsOf(url: string): string[] {
  const token = new URL(url, 'http://localhost').searchParams.get('token') ?? '';
  const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { channels: object };
  return Object.keys(claims.channels);
}

function frame(text: string): Buffer {
  const payload = Buffer.from(text);
  const header = payload.length < 126 ? Buffer.from([0x81, payload.length]) : Buffer.from([0x81, 126, 0, 0]);
  if (payload.length >= 126) header.writeUInt16BE(payload.length, 2);
  return Buffer.concat([header, payload]);
}

function flush(room: Room): void {
  const bytes = Buffer.concat(room.pending);
  room.pending = [];
  for (const socket of room.sockets) socket.write(bytes);
}

const server = publishEndpoint(process.env['API_KEY'] ?? '', (message) => {
  const room = roomOf(message.channel);
  if (room.pending.push(frame(JSON.stringify(message))) === 1) setImmediate(flush, room);
});
server.on('upgrade', (request, socket: Socket) => {
  const key = `${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
  const accept = createHash('sha1').update(key).digest('base64');
  socket.setNoDelay(true);
  socket.on('error', () => socket.destroy());
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  socket.write(frame('{"subscribed":[]}'));
  for (const channel of channelsOf(request.url ?? '')) {
    const { sockets } = roomOf(channel);
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  }
});
server.listen(Number(process.env['PORT']), '127.0.0.1');
process.on('SIGTERM', () => process.exit(0));
