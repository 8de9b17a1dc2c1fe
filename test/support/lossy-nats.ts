import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** A message on its way between a NATS server and a client. */
export interface PassingMessage {
  readonly subject: string;
  /** Empty without one. */
  readonly reply: string;
  /** As they are sent; empty without any. */
  readonly headers: string;
}

/**
 * Passes the connections of NATS clients on, and can lose single messages on their way, as a cluster does whose servers lose
 * each other for a moment or whose streams change their leaders: the connections stay, and nobody is told. It can give them
 * twice as well.
 */
export class LossyNats {
  private readonly sockets = new Set<Socket>();
  private readonly clients = new Set<Socket>();
  /** Clients whose connections are about to break. */
  private breaking = new Set<Socket>();
  private isLost: (message: PassingMessage) => boolean = () => false;
  private isLostToServer: (message: PassingMessage) => boolean = () => false;
  private isRepeated: (message: PassingMessage) => boolean = () => false;
  /** Messages that were lost. */
  lost = 0;

  private constructor(
    private readonly server: Server,
    private readonly targetPort: number,
  ) {}

  static async start(targetPort: number): Promise<LossyNats> {
    const server = createServer();
    const lossy = new LossyNats(server, targetPort);
    server.on('connection', (client) => lossy.pass(client));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return lossy;
  }

  get url(): string {
    return `nats://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** From now on messages of which this is true are lost on their way to clients. */
  lose(isLost: (message: PassingMessage) => boolean): void {
    this.isLost = isLost;
  }

  /** From now on messages of which this is true are lost on their way to the server. */
  loseToServer(isLost: (message: PassingMessage) => boolean): void {
    this.isLostToServer = isLost;
  }

  /** From now on messages of which this is true come twice to clients. */
  repeat(isRepeated: (message: PassingMessage) => boolean): void {
    this.isRepeated = isRepeated;
  }

  /** Breaks every connection in the middle of what its client sends next; clients may open others. */
  break(): void {
    this.breaking = new Set(this.clients);
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private pass(client: Socket): void {
    const target = connect(this.targetPort, '127.0.0.1');
    for (const socket of [client, target]) {
      this.sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => this.sockets.delete(socket));
    }
    target.on('close', () => client.destroy());
    client.on('close', () => {
      this.clients.delete(client);
      target.destroy();
    });
    this.clients.add(client);
    this.filter(target, client, (message) => (this.isLost(message) ? 0 : this.isRepeated(message) ? 2 : 1));
    this.filter(client, target, (message) => (this.isLostToServer(message) ? 0 : 1));
  }

  private filter(from: Socket, to: Socket, copiesOf: (message: PassingMessage) => number): void {
    let unread = Buffer.alloc(0);
    from.on('data', (chunk) => {
      unread = unread.length === 0 ? chunk : Buffer.concat([unread, chunk]);
      const kept: Buffer[] = [];
      for (let length = lengthOfNext(unread); length > 0; length = lengthOfNext(unread)) {
        const protocol = unread.subarray(0, length);
        unread = unread.subarray(length);
        const message = messageOf(protocol);
        const copies = message === undefined ? 1 : copiesOf(message);
        if (copies === 0) this.lost++;
        for (let copy = 0; copy < copies; copy++) kept.push(protocol);
      }
      const all = Buffer.concat(kept);
      if (!this.breaking.delete(from)) to.write(all);
      else to.write(all.subarray(0, all.length / 2), () => from.destroy());
    });
  }
}

/** Of the next line, with the payload that belongs to it; 0 while it is not all there. */
function lengthOfNext(bytes: Buffer): number {
  const end = bytes.indexOf('\r\n');
  if (end < 0) return 0;
  const line = bytes.toString('latin1', 0, end);
  const payload = /^H?(MSG|PUB) /.test(line) ? Number(line.split(' ').at(-1)) + 2 : 0;
  return bytes.length < end + 2 + payload ? 0 : end + 2 + payload;
}

/**
 * `MSG <subject> <sid> [reply] <bytes>` to a client, `PUB <subject> [reply] <bytes>` to a server; `HMSG` and `HPUB` with the
 * bytes of the headers before all bytes.
 */
function messageOf(protocol: Buffer): PassingMessage | undefined {
  const end = protocol.indexOf('\r\n');
  const [verb = '', subject = '', ...rest] = protocol.toString('latin1', 0, end).split(' ');
  const behind = { MSG: 2, HMSG: 3, PUB: 1, HPUB: 2 }[verb];
  if (behind === undefined) return undefined;
  const reply = verb.endsWith('MSG') ? rest[1] : rest[0];
  const headerBytes = verb.startsWith('H') ? Number(rest.at(-2)) : 0;
  return {
    subject,
    reply: rest.length > behind ? (reply ?? '') : '',
    headers: protocol.toString('latin1', end + 2, end + 2 + headerBytes),
  };
}
