import { connect, Socket } from 'node:net';
import { Dialect } from './dialect';
import { clientFrame, FrameHandler, FrameWalker } from './frame-walker';
import { findPayload, isPayloadAt } from './payload';

const TEXT = 1;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

/**
 * All sockets read into this one buffer: a read is worked off before the next one begins, and nothing of it is kept.
 * Large enough for what a coalescing server has for one client.
 */
const READ_BUFFER = Buffer.allocUnsafe(256 * 1024);

/** Takes the messages of all subscribers. */
export interface MessageSink {
  /** A benchmark message reached `subscriber`; its payload begins at `buffer[payloadAt]`. */
  message(subscriber: Subscriber, buffer: Buffer, payloadAt: number): void;
  /** Looks at a text that is no benchmark message; gives whether it was for this sink. */
  other?(subscriber: Subscriber, buffer: Buffer, start: number, end: number): boolean;
}

/** One client: a raw TCP socket that shakes hands by itself and then only walks over frames. */
export class Subscriber implements FrameHandler {
  /** How many messages of its channel it has seen; kept by the sink. */
  position = 0;
  /** Set by servers that have a client HTTP API. */
  credentials = '';
  /** Why the connection ended, when the server ended it. */
  lost: string | undefined;

  private readonly walker = new FrameWalker(this);
  private socket: Socket | undefined;
  private upgraded = false;
  private handshake = '';
  private closing = false;
  private settle: ((error?: Error) => void) | undefined;
  /** Distance of the payload from the end of its frame; the same for every message of a run. */
  private tail = 0;

  constructor(
    readonly channel: number,
    private readonly token: string,
    private readonly dialect: Dialect,
    private readonly sink: MessageSink,
  ) {}

  /** Connects and resolves once the server has confirmed the subscription. */
  open(port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.settle = (error) => {
        this.settle = undefined;
        if (error) reject(error);
        else resolve();
      };
      const socket = connect({
        port,
        host: '127.0.0.1',
        noDelay: true,
        onread: {
          buffer: READ_BUFFER,
          callback: (bytes, buffer) => {
            this.read(buffer as Buffer, bytes);
            return true;
          },
        },
      });
      this.socket = socket;
      socket.on('connect', () => socket.write(this.upgradeRequest(port)));
      socket.on('error', (error) => this.end(error.message));
      socket.on('close', () => this.end('connection closed'));
    });
  }

  close(): void {
    this.closing = true;
    this.socket?.destroy();
  }

  /** Ends the connection as lost; a pending `open` rejects. */
  giveUp(reason: string): void {
    this.end(reason);
  }

  frame(opcode: number, buffer: Buffer, start: number, end: number): void {
    if (opcode === TEXT) {
      const expected = end - this.tail;
      if (this.tail > 0 && expected >= start && isPayloadAt(buffer, expected)) {
        this.sink.message(this, buffer, expected);
        return;
      }
      this.otherText(buffer, start, end);
    } else if (opcode === PING) {
      this.socket?.write(clientFrame(PONG, buffer.toString('utf8', start, end)));
    } else if (opcode === CLOSE) {
      const code = end - start >= 2 ? buffer.readUInt16BE(start) : 1005;
      this.end(`closed by the server: ${code} ${buffer.toString('utf8', start + 2, end)}`);
    } else if (opcode !== PONG) {
      this.end(`unexpected frame with opcode ${opcode}`);
    }
  }

  /** The first message, which tells where payloads lie, and everything that is not a message. */
  private otherText(buffer: Buffer, start: number, end: number): void {
    if (this.sink.other?.(this, buffer, start, end) === true) return;
    const payloadAt = findPayload(buffer, start, end);
    if (payloadAt >= 0) {
      this.tail = end - payloadAt;
      this.sink.message(this, buffer, payloadAt);
      return;
    }
    const reaction = this.dialect.react(buffer.toString('utf8', start, end), this.token);
    if (reaction.credentials !== undefined) this.credentials = reaction.credentials;
    if (reaction.send !== undefined) this.socket?.write(clientFrame(TEXT, reaction.send));
    if (reaction.ready) this.settle?.();
    if (reaction.error !== undefined) this.end(reaction.error);
  }

  private upgradeRequest(port: number): string {
    return (
      `GET ${this.dialect.path(this.token)} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\n` +
      'Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n'
    );
  }

  private read(buffer: Buffer, bytes: number): void {
    try {
      if (this.upgraded) this.walker.push(buffer, 0, bytes);
      else this.readHandshake(buffer, bytes);
    } catch (error) {
      this.end(error instanceof Error ? error.message : String(error));
    }
  }

  private readHandshake(buffer: Buffer, bytes: number): void {
    // Latin-1 keeps one character per byte, so positions in the text are positions in the bytes.
    const before = this.handshake.length;
    this.handshake += buffer.toString('latin1', 0, bytes);
    const end = this.handshake.indexOf('\r\n\r\n');
    if (end < 0) return;
    if (!this.handshake.startsWith('HTTP/1.1 101')) {
      this.end(`handshake refused: ${this.handshake.slice(0, 200)}`);
      return;
    }
    this.upgraded = true;
    this.handshake = '';
    this.walker.push(buffer, end + 4 - before, bytes);
  }

  private end(reason: string): void {
    if (this.closing) return;
    this.closing = true;
    this.lost = reason;
    this.socket?.destroy();
    this.settle?.(new Error(reason));
  }
}
