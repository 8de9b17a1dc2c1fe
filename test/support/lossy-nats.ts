import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** A message on its way from a NATS server to a client. */
export interface PassingMessage {
  readonly subject: string;
  /** Empty without one. */
  readonly reply: string;
  /** As they are sent; empty without any. */
  readonly headers: string;
}

/**
 * Passes the connections of NATS clients on, and can lose single messages on their way to the clients, as a cluster does
 * whose servers lose each other for a moment: the connections stay, and nobody is told.
 */
export class LossyNats {
  private readonly sockets = new Set<Socket>();
  private isLost: (message: PassingMessage) => boolean = () => false;
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

  /** From now on messages of which this is true are lost. */
  lose(isLost: (message: PassingMessage) => boolean): void {
    this.isLost = isLost;
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
    client.pipe(target);
    let unread = Buffer.alloc(0);
    target.on('data', (chunk) => {
      unread = Buffer.concat([unread, chunk]);
      for (let length = this.lengthOfNext(unread); length > 0; length = this.lengthOfNext(unread)) {
        const protocol = unread.subarray(0, length);
        unread = unread.subarray(length);
        const message = messageOf(protocol);
        if (message !== undefined && this.isLost(message)) this.lost++;
        else client.write(protocol);
      }
    });
  }

  /** Of the next line, with the payload that belongs to it; 0 while it is not all there. */
  private lengthOfNext(bytes: Buffer): number {
    const end = bytes.indexOf('\r\n');
    if (end < 0) return 0;
    const line = bytes.toString('latin1', 0, end);
    const payload = /^H?MSG /.test(line) ? Number(line.split(' ').at(-1)) + 2 : 0;
    return bytes.length < end + 2 + payload ? 0 : end + 2 + payload;
  }
}

/** `MSG <subject> <sid> [reply] <bytes>`, `HMSG` with the bytes of the headers before all bytes. */
function messageOf(protocol: Buffer): PassingMessage | undefined {
  const end = protocol.indexOf('\r\n');
  const [verb, subject = '', , ...rest] = protocol.toString('latin1', 0, end).split(' ');
  if (verb !== 'MSG' && verb !== 'HMSG') return undefined;
  const headerBytes = verb === 'MSG' ? 0 : Number(rest.at(-2));
  return {
    subject,
    reply: rest.length > (verb === 'MSG' ? 1 : 2) ? (rest[0] ?? '') : '',
    headers: protocol.toString('latin1', end + 2, end + 2 + headerBytes),
  };
}
