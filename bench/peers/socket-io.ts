/** The same with Socket.IO: one room per channel, WebSocket transport, the token in the handshake's `auth`. */
import { Server } from 'socket.io';
import { ConnectClaims, verifyConnectToken } from './connect-token';
import { publishEndpoint } from './publish-endpoint';

const secret = Buffer.from(process.env['SIGNING_SECRET'] ?? '', 'base64');

const server = publishEndpoint(process.env['API_KEY'] ?? '', ({ channel, event, data }) => {
  io.to(channel).emit(event, data);
});
const io = new Server(server, { transports: ['websocket'], serveClient: false });

io.use((socket, next) => {
  const { token } = socket.handshake.auth as { token?: string };
  verifyConnectToken(secret, token ?? '').then(
    (claims) => {
      socket.data = claims;
      next();
    },
    () => next(new Error('unauthorized')),
  );
});
io.on('connection', (socket) => {
  const { channels } = socket.data as ConnectClaims;
  void socket.join([...channels]);
  socket.emit('subscribed', channels);
});

server.listen(Number(process.env['PORT']), '127.0.0.1');
process.on('SIGTERM', () => process.exit(0));
