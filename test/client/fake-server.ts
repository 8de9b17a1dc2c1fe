import type { AddressInfo } from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';
import { eventually } from '../support/eventually';
import type { Frame } from '../support/ws-client';

/** A token as an application would get one; the fake server takes any. */
export function anyToken(claims: object = {}): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'none' })}.${part({ exp: Math.floor(Date.now() / 1_000) + 600, ...claims })}.x`;
}

/** One connection to it. */
export class Peer {
  readonly frames: Frame[] = [];

  constructor(
    readonly socket: WebSocket,
    readonly query: URLSearchParams,
  ) {
    socket.on('message', (data) => this.frames.push(JSON.parse((data as Buffer).toString('utf8'))));
  }

  send(frame: object): void {
    this.socket.send(JSON.stringify(frame));
  }

  connected(uid: string | null = 'u1'): void {
    this.send({
      event: 'hotsock.connected',
      data: { connectionId: 'abcdefghijklmno=', connectionSecret: 's', connectionExpiresAt: '2099-01-01T00:00:00Z' },
      meta: { uid, umd: null },
    });
  }

  subscribed(channel: string, data: object = {}): void {
    this.send({ event: 'hotsock.subscribed', channel, data, meta: { uid: 'u1', umd: null } });
  }

  /** The next frame of the client that fits, from the beginning. */
  frame(event: string, skip = 0): Promise<Frame> {
    return eventually(() => {
      const found = this.frames.filter((frame) => frame.event === event)[skip];
      if (found === undefined) throw new Error(`no ${event} among ${JSON.stringify(this.frames)}`);
      return found;
    });
  }
}

/** A server that says what a test wants it to: for what a real one says only when something is wrong with it. */
export class FakeServer {
  readonly peers: Peer[] = [];

  private constructor(
    private readonly server: WebSocketServer,
    private readonly welcome: (peer: Peer, number: number) => void,
  ) {
    server.on('connection', (socket, request) => {
      const peer = new Peer(socket, new URL(request.url ?? '', 'http://x').searchParams);
      this.peers.push(peer);
      this.welcome(peer, this.peers.length);
    });
  }

  static async start(welcome: (peer: Peer, number: number) => void = (peer) => peer.connected()): Promise<FakeServer> {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    await new Promise((resolve) => server.once('listening', resolve));
    return new FakeServer(server, welcome);
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.server.address() as AddressInfo).port}/v1`;
  }

  /** The nth connection, from 1. */
  peer(number: number): Promise<Peer> {
    return eventually(() => {
      const peer = this.peers[number - 1];
      if (peer === undefined) throw new Error(`${this.peers.length} connections`);
      return peer;
    });
  }

  async stop(): Promise<void> {
    for (const { socket } of this.peers) socket.terminate();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
