/**
 * The loop one writes first: `ws`, a set of sockets per channel, `JSON.stringify` once and `send` to each. No storage,
 * no order across processes, no catch-up, no limits.
 */
import { IncomingMessage } from 'node:http';
import { Duplex } from 'node:stream';
import { WebSocket, WebSocketServer } from 'ws';
import { ConnectClaims, verifyConnectToken } from './connect-token';
import { publishEndpoint } from './publish-endpoint';

const secret = Buffer.from(process.env['SIGNING_SECRET'] ?? '', 'base64');
const rooms = new Map<string, Set<WebSocket>>();

const server = publishEndpoint(process.env['API_KEY'] ?? '', (message) => {
  const text = JSON.stringify(message);
  for (const socket of rooms.get(message.channel) ?? []) socket.send(text);
});
const sockets = new WebSocketServer({ noServer: true });

function join(socket: WebSocket, { channels }: ConnectClaims): void {
  for (const channel of channels) {
    const room = rooms.get(channel) ?? new Set();
    rooms.set(channel, room.add(socket));
    socket.on('close', () => room.delete(socket));
  }
  socket.on('error', () => socket.terminate());
  socket.send(JSON.stringify({ subscribed: channels }));
}

async function upgrade(request: IncomingMessage, tcp: Duplex, head: Buffer): Promise<void> {
  const token = new URL(request.url ?? '', 'http://localhost').searchParams.get('token') ?? '';
  try {
    const claims = await verifyConnectToken(secret, token);
    sockets.handleUpgrade(request, tcp, head, (socket) => join(socket, claims));
  } catch {
    tcp.end('HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n\r\n');
  }
}

server.on('upgrade', (request, tcp, head) => void upgrade(request, tcp, head));
server.listen(Number(process.env['PORT']), '127.0.0.1');
process.on('SIGTERM', () => process.exit(0));
