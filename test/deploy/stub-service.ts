import { createServer, request, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { WebSocketServer } from 'ws';

export interface SeenRequest {
  readonly method: string;
  /** Path and query as they were on the wire. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly bodyBytes: number;
}

/** Stands in for one of our services behind the edge: answers with its name and remembers what it was asked. */
export interface StubService {
  readonly address: string;
  readonly requests: SeenRequest[];
  /** From now on it reads each request to its end and then hangs up. */
  hangUp(): void;
  stop(): Promise<void>;
}

export async function startStub(name: string): Promise<StubService> {
  const requests: SeenRequest[] = [];
  let hangsUp = false;
  const server = createServer({ maxHeaderSize: 80 * 1024 }, (message, response) => {
    void seen(message).then((what) => {
      requests.push(what);
      if (hangsUp) message.socket.destroy();
      else answer(response, name);
    });
  });
  const sockets = new WebSocketServer({ noServer: true });
  server.on('upgrade', (message: IncomingMessage, socket: Socket, head: Buffer) => {
    requests.push({ method: 'UPGRADE', url: message.url ?? '', headers: message.headers, bodyBytes: 0 });
    sockets.handleUpgrade(message, socket, head, (client) => client.send(JSON.stringify({ event: name })));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    hangUp: () => (hangsUp = true),
    stop: () =>
      new Promise((resolve) => {
        for (const client of sockets.clients) client.terminate();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function answer(response: ServerResponse, name: string): void {
  response.writeHead(200, { 'content-type': 'text/plain', 'access-control-allow-origin': 'https://example.com' });
  response.end(name);
}

async function seen(message: IncomingMessage): Promise<SeenRequest> {
  let bodyBytes = 0;
  for await (const chunk of message) bodyBytes += (chunk as Buffer).length;
  return { method: message.method ?? '', url: message.url ?? '', headers: message.headers, bodyBytes };
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface Question {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

/** One HTTP request whose path goes out byte for byte; `fetch` would tidy it up. */
export function ask(
  port: number,
  path: string,
  { method = 'GET', headers = {}, body }: Question = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', port, path, method, headers, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks).toString('utf8'),
        }),
      );
    });
    outgoing.once('error', reject);
    outgoing.end(body);
  });
}
