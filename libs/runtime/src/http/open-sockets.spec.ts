import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { OpenSockets } from './open-sockets';

it('an answer is due until its connection closes, also one whose turn never came', async () => {
  const server = createServer();
  const sockets = new OpenSockets(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const asked = new Promise<IncomingMessage>((resolve) => {
    server.on('request', (request) => request.url === '/second' && resolve(request));
  });
  client.write(['/first', '/second'].map((path) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`).join(''));
  const { socket } = await asked;
  expect(sockets.isAnswering(socket)).toBe(true);
  client.destroy();
  await once(socket, 'close');
  expect(sockets.isAnswering(socket)).toBe(false);
  server.close();
});
