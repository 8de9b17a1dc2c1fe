import { connect, type Socket } from 'node:net';

/** A subscriber of one channel that can stop reading, so that everything waits on the other side, as for a stalled phone. */
export class RawReader {
  /** The last bytes that came. */
  tail = Buffer.alloc(0);
  readonly ended: Promise<void>;

  private constructor(private readonly socket: Socket) {
    this.ended = new Promise((resolve) => socket.on('close', () => resolve()));
  }

  /** Resolves when it is subscribed. */
  static open(url: string, token: string, channel: string): Promise<RawReader> {
    const { hostname, port } = new URL(url);
    return new Promise((resolve, reject) => {
      const socket = connect({ port: Number(port), host: hostname });
      const reader = new RawReader(socket);
      socket.write(
        `GET /v1?token=${token} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
          'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
      );
      const frame = Buffer.from(JSON.stringify({ event: 'hotsock.subscribe', channel }));
      socket.once('data', () =>
        socket.write(Buffer.concat([Buffer.from([0x81, 0x80 | frame.length, 0, 0, 0, 0]), frame])),
      );
      socket.on('data', (chunk: Buffer) => {
        reader.tail = Buffer.concat([reader.tail, chunk]).subarray(-64);
        if (chunk.includes('hotsock.subscribed')) resolve(reader);
      });
      socket.on('error', reject);
    });
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  close(): void {
    this.socket.destroy();
  }
}
