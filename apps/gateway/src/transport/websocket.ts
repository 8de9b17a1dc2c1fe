import { isUtf8 } from 'node:buffer';
import { hash } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { ProtocolError, protocolErrorOf, retryAfter } from '@hearth/protocol';
import { Backlog, type Backlogs, Held, headProblem, type UpgradeRequest } from '@hearth/runtime';
import { RawData, WebSocket } from 'ws';
import { ClientSocket, FrameReceiver } from '../frames/client-socket';
import type { Opening } from '../connection/connection';
import { openWebSocket, type Watched } from './bounded-web-sockets';
import { descriptorOf, writeNow } from './direct-write';
import { type EncodedFrames, FrameBatch, lasting, webSocketFrame, writeWithout } from '../frames/frame-batch';
import { Handshake } from './handshake';
import { handshakeRefusal } from './handshake-refusal';

/** Protocol pings without an answer before a client counts as gone (websocket-protocol §2). */
const MISSED_PINGS = 2;
/** An empty ping (RFC 6455 §5.5.2). */
const PING = Buffer.from([0x89, 0]);
const NOTHING = Buffer.alloc(0);

/**
 * `ws` does the handshake, parses what clients send and does the closing. What we send goes past it, as ready-made
 * frames onto the socket that the HTTP upgrade gave us, which allows several frames in one write, and straight to the
 * operating system while nothing waits in that socket: a stream's bookkeeping would be a good half of what a write to a
 * subscriber costs outside the kernel.
 */
class NativeWebSocket extends WebSocket implements Watched {
  client: NativeClient | undefined;

  onPiece(): void {
    this.client?.receiver?.read(0, 1);
  }

  onPinged(bytes: number, pings: number): void {
    this.client?.pinged(bytes, pings);
  }

  override close(code?: number, reason?: string | Buffer): void {
    this.client?.closing();
    // ws closes by itself when a message is too big, without saying so.
    super.close(code, code === 1009 && reason === undefined ? 'Message too big' : reason);
  }
}

class NativeClient implements ClientSocket {
  readonly transport = 'websocket';
  receiver: FrameReceiver | undefined;
  hasWritten = false;
  private isClosing = false;
  private unansweredPings = 0;
  private readonly descriptor: number | undefined;
  /** Of one for whom something has ever waited. */
  private waiting: Backlog | undefined;

  /** @param greeting the answer to the handshake, which leaves in one write with the first frame */
  constructor(
    private readonly webSocket: NativeWebSocket,
    private readonly socket: Duplex,
    private greeting: Buffer | undefined,
    private readonly backlogs: Backlogs,
  ) {
    this.descriptor = descriptorOf(socket);
    webSocket.client = this;
    webSocket.on('message', onMessage);
    webSocket.on('pong', onPong);
    webSocket.on('close', onClose);
    // The close that follows is all we need to know.
    webSocket.on('error', ignore);
  }

  /** Asked for every write to every subscriber, so it looks at no more objects than the write does itself. */
  get isOpen(): boolean {
    return !this.isClosing && this.socket.writable;
  }

  get backlogBytes(): number {
    return this.socket.writableLength;
  }

  get backlog(): Backlog {
    return (this.waiting ??= new Backlog(this.backlogs, this));
  }

  write(batch: FrameBatch, leaveOut?: readonly number[]): void {
    if (!this.isOpen) return;
    this.hasWritten = true;
    if (leaveOut === undefined) this.put(batch.webSocket.bytes, batch.webSocket);
    else writeWithout(batch.webSocket, leaveOut, (piece) => this.put(piece));
  }

  send(frame: string): void {
    if (!this.isOpen) return;
    this.hasWritten = true;
    this.put(webSocketFrame(frame));
  }

  /** Native clients know the answer by its content. */
  answer(): void {}

  ping(): void {
    if (!this.isOpen) return;
    // While nothing is read, a pong would not be seen. The ping still makes TCP find out whether the client is gone.
    if (!this.webSocket.isPaused) {
      if (this.unansweredPings >= MISSED_PINGS) return this.terminate();
      this.unansweredPings++;
    }
    this.put(PING);
  }

  pauseReading(): void {
    this.webSocket.pause();
  }

  resumeReading(): void {
    this.webSocket.resume();
  }

  close(code: number, reason: string): void {
    this.greet();
    this.webSocket.close(code, reason);
  }

  terminate(): void {
    this.closing();
    this.webSocket.terminate();
  }

  /** Either side has begun the closing handshake, after which nothing may be sent (RFC 6455 §5.5.1). */
  closing(): void {
    this.isClosing = true;
  }

  received(data: Buffer, isBinary: boolean): void {
    this.unansweredPings = 0;
    this.receiver?.read(data.length, 1);
    this.receiver?.receive(!isBinary || isUtf8(data) ? data.toString('utf8') : undefined);
  }

  answered(): void {
    // What answers a ping of ours costs the client nothing.
    if (this.unansweredPings === 0) this.pinged(0, 1);
    this.unansweredPings = 0;
  }

  pinged(bytes: number, pings: number): void {
    this.receiver?.read(bytes, pings);
    this.receiver?.pinged(pings);
  }

  /** Answers the handshake, if no frame has done so. */
  greet(): void {
    if (this.greeting !== undefined && this.isOpen) this.put(NOTHING);
  }

  /** Only while open. What `ws` writes to the same socket keeps its place: with anything waiting, ours waits behind it. */
  private put(frames: Buffer, shared?: EncodedFrames): void {
    const { socket, descriptor, greeting } = this;
    const bytes = greeting === undefined ? frames : Buffer.concat([greeting, frames]);
    this.greeting = undefined;
    const isBehind = socket.writableLength > 0;
    const taken = descriptor === undefined || isBehind ? 0 : writeNow(descriptor, bytes);
    if (taken === bytes.length) return;
    const { backlog } = this;
    const isShared = bytes === shared?.bytes;
    backlog.add(isShared ? shared.held : new Held(bytes.length));
    if (!isBehind) socket.write(taken === 0 ? bytes : bytes.subarray(taken), backlog.take);
    else socket.write(isShared ? shared.lasting : lasting(bytes), backlog.take);
  }

  closed(): void {
    // Also where nothing has ever waited: what its channels keep back for it until they have let it go counts no more.
    this.backlog.end();
    this.receiver?.closed();
  }
}

// Shared by all clients: a closure per connection and event is memory that 50,000 connections pay for.
function onMessage(this: WebSocket, data: RawData, isBinary: boolean): void {
  (this as NativeWebSocket).client?.received(data as Buffer, isBinary);
}

function onPong(this: WebSocket): void {
  (this as NativeWebSocket).client?.answered();
}

function onClose(this: WebSocket): void {
  (this as NativeWebSocket).client?.closed();
}

function ignore(): void {}

export interface WebSocketOptions {
  readonly paths: readonly string[];
  readonly maxMessageBytes: number;
}

/** The native transport: upgrades on the configured paths (websocket-protocol §1). */
export class WebSocketTransport {
  private readonly paths: ReadonlySet<string>;

  constructor(
    private readonly options: WebSocketOptions,
    private readonly handshake: Handshake,
    private readonly backlogs: Backlogs,
    private readonly connected: (socket: ClientSocket, opening: Opening) => void,
  ) {
    this.paths = new Set(options.paths);
  }

  /**
   * Takes an upgrade request.
   *
   * @param head what has come behind it
   */
  async upgrade(request: UpgradeRequest, socket: Duplex, head: Buffer): Promise<void> {
    // The client may leave while its token is looked at.
    socket.on('error', ignore);
    const [path = '', query = ''] = splitTarget(request.url ?? '');
    try {
      if (!this.paths.has(path)) throw new ProtocolError('NOT_FOUND', 'there is no WebSocket at this path');
      checkUpgrade(request);
      const asked = new URLSearchParams(query);
      const admission = await this.handshake
        .admit(request, asked.get('token'), asked.get('resume'))
        .catch((error: unknown) => {
          if (asked.get('closeReason') !== '1') throw error;
          const webSocket = this.accept(socket, head);
          if (webSocket === undefined) return;
          socket.write(greetingTo(request));
          explain(webSocket, protocolErrorOf(error));
        });
      if (admission === undefined) return;
      try {
        const webSocket = this.accept(socket, head);
        if (webSocket === undefined) return;
        const client = new NativeClient(webSocket, socket, greetingTo(request), this.backlogs);
        this.connected(client, admission.opening);
        client.greet();
      } finally {
        admission.release();
      }
    } catch (error) {
      refuse(socket, protocolErrorOf(error));
    }
  }

  /** @returns undefined when the client has gone */
  private accept(socket: Duplex, head: Buffer): NativeWebSocket | undefined {
    if (!socket.readable || !socket.writable) return void socket.destroy();
    socket.removeListener('error', ignore);
    return openWebSocket(NativeWebSocket, socket, head, this.options.maxMessageBytes);
  }
}

/** RFC 6455 §1.3. */
const HANDSHAKE_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** Of what a client offers, nothing is taken. */
function greetingTo({ headers }: UpgradeRequest): Buffer {
  const accept = hash('sha1', `${headers['sec-websocket-key']}${HANDSHAKE_GUID}`, 'base64');
  const head = `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`;
  return Buffer.from(head, 'latin1');
}

function splitTarget(target: string): string[] {
  const question = target.indexOf('?');
  return question < 0 ? [target] : [target.slice(0, question), target.slice(question + 1)];
}

/** What `ws` would refuse is refused before the token is looked at: a single-use token must not be lost to it. */
function checkUpgrade(request: UpgradeRequest): void {
  const problem = headProblem(request);
  if (problem !== undefined) throw problem;
  const { method, headers } = request;
  if (method !== 'GET' || headers.upgrade?.toLowerCase() !== 'websocket') {
    throw new ProtocolError('UPGRADE_REQUIRED', 'this path speaks WebSocket only');
  }
  const version = headers['sec-websocket-version'];
  if (version !== '13' && version !== '8') {
    throw new ProtocolError('UPGRADE_REQUIRED', 'Sec-WebSocket-Version must be 13');
  }
  if (!/^[+/0-9A-Za-z]{22}==$/.test(headers['sec-websocket-key'] ?? '')) {
    throw new ProtocolError('MALFORMED_MESSAGE', 'Sec-WebSocket-Key must be 16 bytes in Base64');
  }
}

/** Close codes of refusals, by the HTTP status that they would have had (limits §6). */
const CLOSE_CODES: Readonly<Record<number, number>> = { 401: 4401, 403: 4403, 429: 4429, 503: 1013 };
/** Internal error (RFC 6455 §7.4.1). */
const OTHERWISE = 1011;

/** Closes at once, saying why: a browser learns nothing from a handshake that fails. */
function explain(webSocket: WebSocket, { status, code }: ProtocolError): void {
  webSocket.on('error', ignore);
  webSocket.close(CLOSE_CODES[status] ?? OTHERWISE, code);
}

/** Answers an upgrade request with an HTTP error (websocket-protocol §1.1). */
export function refuse(socket: Duplex, error: ProtocolError): void {
  // Who has gone is nobody's fault; Node has taken its own listener away.
  socket.on('error', ignore);
  if (!socket.writable) return void socket.destroy();
  const { status } = error;
  const refusal = handshakeRefusal(error);
  const waitSeconds = retryAfter(error);
  const body = JSON.stringify(refusal);
  const head = [
    `HTTP/1.1 ${status} ${refusal.message}`,
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...(status === 426
      ? ['Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Connection: Upgrade, close']
      : ['Connection: close']),
    ...(status === 401 ? ['WWW-Authenticate: Bearer'] : []),
    ...(waitSeconds === undefined ? [] : [`Retry-After: ${waitSeconds}`]),
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy());
}
