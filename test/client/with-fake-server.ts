import { HearthClient, type ClientOptions } from '@hearth/client';
import { WebSocket } from 'ws';
import { anyToken, FakeServer, type Peer } from './fake-server';

/** Clients and servers of one spec file; each test ends with none. */
const servers: FakeServer[] = [];
const clients: HearthClient[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.terminate();
  await Promise.all(servers.splice(0).map((server) => server.stop()));
});

export async function start(welcome?: (peer: Peer, number: number) => void): Promise<FakeServer> {
  const server = await FakeServer.start(welcome);
  servers.push(server);
  return server;
}

export function client(url: string, options: Partial<ClientOptions> = {}, Kind = HearthClient): HearthClient {
  const made = new Kind(url, {
    connectTokenFn: () => anyToken({ uid: 'u1' }),
    WebSocket: WebSocket,
    logger: { debug() {}, info() {}, warn() {}, error() {} },
    backoff: { baseMs: 20, maxMs: 100 },
    ...options,
  });
  clients.push(made);
  return made;
}
