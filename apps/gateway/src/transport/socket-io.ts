import { type IncomingMessage, type Server as HttpServer, ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { type EndCode, errorFrame, ProtocolError, protocolErrorOf, retryAfter } from '@hearth/protocol';
import { untilAborted } from '@hearth/timing';
import { originMatcher } from '@hearth/config';
import { Backlog, type Backlogs, countedElsewhere, Held, headProblem } from '@hearth/runtime';
import { Server, Socket } from 'socket.io';
import { ClientSocket, FrameReceiver } from '../frames/client-socket';
import type { Opening } from '../connection/connection';
import { FrameBatch, writeWithout } from '../frames/frame-batch';
import { BoundedWebSocketServer, CLOSE_TIMEOUT_MS } from './bounded-web-sockets';
import { Admission, Handshake } from './handshake';
import { handshakeRefusal } from './handshake-refusal';
import { refuse } from './websocket';
import { Decoder, FRAME_EVENT, socketIoAck, SocketIoParser, socketIoPacket } from './socket-io-packets';
import { boundSession, type Session, type SessionTransport } from './socket-io-session';

/** Without the trailing slash, as Socket.IO wants it. */
const PATH = '/socket.io';
/** A client that has opened a session must ask for the namespace, and so show its token, within this time. */
const CONNECT_TIMEOUT_MS = 10_000;
/**
 * Sessions beyond the highest number of connections. A full gateway must let a client in that far to tell it why not;
 * what is on its way to that takes a round trip, so this is many a second.
 */
const SURPLUS_SESSIONS = 256;
/** Beside the one that opens its session a client that polls sends its CONNECT, and asks for the answer, perhaps twice. */
const HANDSHAKE_REQUESTS = 3;
/** Engine.IO always pings; this is as good as never. Clients add interval and timeout up to what one timer can hold. */
const NEVER_MS = 2 ** 30 - 1;

/** With more than this waiting, what comes will wait as well. */
const SLOW_BYTES = 65_536;

interface ClientEvents {
  [FRAME_EVENT]: (text: string | undefined, answerId: number | undefined) => void;
}
type ServerSocket = Socket<ClientEvents, Record<string, never>, Record<string, never>, { admission?: Admission }>;

class SocketIoClient implements ClientSocket {
  readonly transport = 'socket.io';
  receiver: FrameReceiver | undefined;
  hasWritten = false;
  readonly backlog: Backlog;
  private isClosing = false;
  private readonly session: Session;
  /** The answer to the last poll. */
  private polled: ServerResponse | undefined;
  /** Answers to polls that have not left, and how many pieces are in each. */
  private readonly leaving = new Map<ServerResponse, number>();
  private readonly onPiece = (): void => this.receiver?.read(0, 1);
  private readonly onPinged = (bytes: number, pings: number): void => {
    this.receiver?.read(bytes, pings);
    this.receiver?.pinged(pings);
  };
  /** Engine.IO takes a piece for sent that is in the answer to a poll, whether or not that is read. */
  private readonly sent = (): void => {
    const { polled: answer, leaving } = this;
    if (answer === undefined) return this.backlog.take();
    const pieces = leaving.get(answer);
    leaving.set(answer, (pieces ?? 0) + 1);
    if (pieces === undefined) answer.once('close', () => this.left(answer));
  };
  private readonly gone = (): void => this.backlog.end();

  constructor(
    private readonly socket: ServerSocket,
    backlogs: Backlogs,
  ) {
    this.backlog = new Backlog(backlogs, this);
    this.session = socket.conn as unknown as Session;
    socket.on(FRAME_EVENT, (text, answerId) => {
      this.receiver?.read(text === undefined ? 0 : Buffer.byteLength(text), 1);
      this.receiver?.receive(text, answerId);
    });
    this.watch(this.session.transport);
    this.session.on('upgrade', (transport) => this.watch(transport));
    this.session.on('heartbeat', () => this.receiver?.pinged(1));
    socket.on('disconnect', () => {
      this.receiver?.closed();
      // A client that leaves the namespace has left: without one, its session has no use.
      this.close();
      if (this.session.transport.socket === undefined && this.leaving.size === 0) this.gone();
    });
  }

  /** Counts what comes over a WebSocket and is no packet, and finds the answers to polls. */
  private watch(transport: SessionTransport): void {
    const { socket } = transport;
    this.polled = undefined;
    if (socket === undefined) return transport.on('headers', () => this.answers(transport.res ?? undefined));
    socket.onPiece = this.onPiece;
    socket.onPinged = this.onPinged;
    socket.once('close', this.gone);
  }

  private answers(answer: ServerResponse | undefined): void {
    this.polled = answer;
    if (answer !== undefined) countedElsewhere.add(answer);
  }

  private left(answer: ServerResponse): void {
    for (let pieces = this.leaving.get(answer) ?? 0; pieces > 0; pieces--) this.backlog.take();
    this.leaving.delete(answer);
    if (!this.socket.connected && this.leaving.size === 0) this.gone();
  }

  get backlogBytes(): number {
    return this.backlog.bytes;
  }

  get isOpen(): boolean {
    return !this.isClosing && this.socket.connected && this.session.readyState === 'open';
  }

  write(batch: FrameBatch, leaveOut?: readonly number[]): void {
    if (!this.isOpen) return;
    if (this.session.transport.name !== 'websocket') return this.writePackets(batch, leaveOut);
    const { packetFrames } = batch;
    const isSlow = this.backlog.bytes > SLOW_BYTES;
    if (leaveOut === undefined) this.writeFrames(isSlow ? packetFrames.lasting : packetFrames.bytes, packetFrames.held);
    else writeWithout(packetFrames, leaveOut, (piece) => this.writeFrames(piece));
  }

  send(frame: string): void {
    if (this.isOpen) this.writePacket(socketIoPacket(frame));
  }

  answer(answerId: number, frame: string | undefined): void {
    if (this.isOpen) this.writePacket(socketIoAck(answerId, frame));
  }

  pauseReading(): void {
    this.session.transport.socket?.pause();
  }

  resumeReading(): void {
    this.session.transport.socket?.resume();
  }

  /**
   * Ends the transport rather than the namespace: a Socket.IO client whose namespace the server has ended stays away for
   * good, one whose transport is gone comes back by itself, as native clients do.
   */
  close(_code?: number, reason = '', error?: EndCode): void {
    if (this.isClosing) return;
    if (error !== undefined) this.send(errorFrame(error, reason, undefined));
    this.isClosing = true;
    this.session.close();
    setTimeout(() => this.terminate(), CLOSE_TIMEOUT_MS).unref();
  }

  terminate(): void {
    this.isClosing = true;
    const { socket } = this.session.transport;
    // Engine.IO calls a session closed while its WebSocket still waits for the client.
    for (const answer of this.leaving.keys()) {
      // One that is due behind another on its connection is never closed itself.
      answer.req.socket.destroy();
      this.left(answer);
    }
    if (socket !== undefined) socket.terminate();
    else if (this.session.readyState !== 'closed') this.session.close(true);
  }

  /** While a client changes from polling to WebSocket its packets wait, and only whole packets can go either way. */
  private writePackets(batch: FrameBatch, leaveOut: readonly number[] | undefined): void {
    batch.packets.forEach((packet, index) => {
      if (leaveOut?.includes(index) !== true) this.writePacket(packet);
    });
  }

  private writePacket(packet: string): void {
    this.hasWritten = true;
    this.backlog.add(new Held(packet.length));
    this.session.write(packet, { compress: false }, this.sent);
  }

  /** Any number of frames at once; Engine.IO takes them for the one frame of a packet, whose text it then ignores. */
  private writeFrames(frames: Buffer, held = new Held(frames.length)): void {
    this.hasWritten = true;
    this.backlog.add(held);
    this.session.write('frames', { compress: false, wsPreEncodedFrame: [frames] }, this.sent);
  }
}

export interface SocketIoOptions {
  readonly maxMessageBytes: number;
  /** Interval of Engine.IO's pings; Infinity = off. */
  readonly pingMs: number;
  /** Browser origins that may use long-polling; empty = all. */
  readonly origins: readonly string[];
}

/** The Socket.IO transport: path `/socket.io/`, namespace `/`, WebSocket and long-polling (websocket-protocol §11). */
export class SocketIoTransport {
  private readonly io: Server;
  /** Lifts the bounds of sessions that have not shown their token. */
  private readonly bounds = new WeakMap<Session, () => void>();
  /** Requests of those sessions, without the one that opened each. */
  private readonly early = new WeakMap<Session, number>();

  constructor(
    options: SocketIoOptions,
    private readonly handshake: Handshake,
    private readonly backlogs: Backlogs,
    private readonly connected: (socket: ClientSocket, opening: Opening) => void,
  ) {
    const pingMs = Math.min(options.pingMs, NEVER_MS);
    this.io = new Server({
      path: PATH,
      serveClient: false,
      parser: SocketIoParser,
      wsEngine: BoundedWebSocketServer,
      connectTimeout: CONNECT_TIMEOUT_MS,
      pingInterval: pingMs,
      // Together with the interval: gone after two missed pings, as for native clients.
      pingTimeout: pingMs,
      maxHttpBufferSize: options.maxMessageBytes,
      perMessageDeflate: false,
      httpCompression: false,
      cors: { origin: corsOrigin(options.origins), exposedHeaders: 'retry-after' },
      allowRequest: (_request, decide) => {
        // Not left to the namespace: a Socket.IO client that is refused there stays away for good.
        if (handshake.isDraining) return decide('the server is shutting down', false);
        const isFull = this.unadmitted >= handshake.room + SURPLUS_SESSIONS;
        decide(isFull ? 'too many sessions' : null, !isFull);
      },
    });
    this.io.use((socket, next) => void this.admit(socket as unknown as ServerSocket).then(() => next(), next));
    this.io.on('connection', (socket) => this.accept(socket as unknown as ServerSocket));
  }

  /** Whether an HTTP request or upgrade is for Socket.IO. */
  static handles(target: string): boolean {
    return target.startsWith(`${PATH}/`);
  }

  /** Takes the requests and upgrades of its path from the HTTP server and leaves all others to it. */
  attach(server: HttpServer): void {
    this.io.attach(server, { path: PATH, destroyUpgrade: false });
    this.io.engine.use((request: IncomingMessage, response: ServerResponse, next: () => void) => {
      if (this.mayPass(request, response)) next();
    });
    this.io.engine.on('connection', (session: Session) => this.bounds.set(session, boundSession(session)));
  }

  /** Answers a request that is not well-formed, or opens a session too soon. */
  private mayPass(request: IncomingMessage, response: ServerResponse): boolean {
    try {
      const problem = headProblem(request);
      if (problem !== undefined) throw problem;
      const sid = sidOf(request);
      const session = Object.hasOwn(this.sessions, sid) ? this.sessions[sid] : undefined;
      if (sid === '') this.handshake.openSession(request);
      // Engine.IO would answer a request never, and take another WebSocket in place of the first.
      if (session?.transport.name === 'websocket')
        throw new ProtocolError('MALFORMED_MESSAGE', 'the session has its WebSocket already');
      if (sid === '' || (session !== undefined && this.isExpected(session))) this.handshake.knows(request);
      return true;
    } catch (error) {
      const refusal = protocolErrorOf(error);
      // Engine.IO answers upgrades by closing them.
      if (response instanceof ServerResponse) answer(response, refusal);
      else refuse(request.socket, refusal);
      return false;
    }
  }

  /** A request is one of a connection, or one that its handshake needs. */
  private isExpected(session: Session): boolean {
    if (!this.bounds.has(session)) return true;
    const count = (this.early.get(session) ?? 0) + 1;
    this.early.set(session, count);
    return count <= HANDSHAKE_REQUESTS;
  }

  /**
   * Ends what is left, and resolves once nobody needs the HTTP server any more: a client that polls learns of its close
   * from the answer to its next poll, which may be a connection of its own. One that is not back in time is cut off.
   *
   * @param timeUp aborted when nobody is waited for any more
   */
  async close(timeUp: AbortSignal): Promise<void> {
    const leaving = Object.values(this.sessions).filter(({ readyState }) => readyState === 'closing');
    const gone = leaving.map((session) => new Promise<void>((resolve) => session.once('close', resolve)));
    const late = delay(CLOSE_TIMEOUT_MS, undefined, { ref: false });
    await untilAborted(timeUp, Promise.race([Promise.all(gone), late]));
    this.io.engine.close();
  }

  private get sessions(): Readonly<Record<string, Session>> {
    return (this.io.engine as unknown as { readonly clients: Readonly<Record<string, Session>> }).clients;
  }

  /** Sessions that are not, or no more, a connection. */
  private get unadmitted(): number {
    return this.io.engine.clientsCount - this.io.sockets.sockets.size;
  }

  private async admit(socket: ServerSocket): Promise<void> {
    const session = socket.conn as unknown as Session;
    try {
      const { auth, query } = socket.handshake;
      const resume: unknown = auth.resume ?? query.resume;
      const admission = await this.handshake.admit(socket.request, auth.token ?? query.token, resume);
      // When the client leaves before it is let in, nobody else gives its place back.
      session.once('close', () => admission.release());
      // It may have left while its token was being checked.
      if (session.readyState === 'closed') admission.release();
      socket.data.admission = admission;
    } catch (error) {
      decoderOf(socket).answered(false);
      throw connectError(error);
    }
  }

  private accept(socket: ServerSocket): void {
    const { admission } = socket.data;
    if (admission === undefined) return void socket.disconnect(true);
    const session = socket.conn as unknown as Session;
    decoderOf(socket).answered(true);
    this.bounds.get(session)?.();
    this.bounds.delete(session);
    this.connected(new SocketIoClient(socket, this.backlogs), admission.opening);
    admission.release();
    // Nobody needs it any more, and it is larger than all the rest of a connection.
    session.request = null;
  }
}

function answer(response: ServerResponse, refusal: ProtocolError): void {
  const waitSeconds = retryAfter(refusal);
  const headers = { 'Content-Type': 'application/json', Connection: 'close' };
  response.writeHead(refusal.status, waitSeconds === undefined ? headers : { ...headers, 'Retry-After': waitSeconds });
  response.end(JSON.stringify(handshakeRefusal(refusal)));
}

/** The session that a request is part of; `''` when it opens one, which an empty `sid` does as well. */
function sidOf({ url = '' }: IncomingMessage): string {
  return /[?&]sid=([^&]+)/.exec(url)?.[1] ?? '';
}

/** As the package `cors` wants it. */
function corsOrigin(origins: readonly string[]) {
  if (origins.length === 0 || origins.includes('*')) return '*';
  const allows = originMatcher(origins);
  return (origin: string | undefined, decide: (error: null, isAllowed: boolean) => void): void =>
    decide(null, origin !== undefined && allows(origin));
}

/** What parses what the client of this socket sends. */
function decoderOf({ client }: ServerSocket): Decoder {
  return (client as unknown as { decoder: Decoder }).decoder;
}

/** What the client's `connect_error` listener gets: `err.data` is `{code, message}`, with a `reason` or a limit where there is one. */
function connectError(error: unknown): Error {
  const { code, message, reason, limited } = protocolErrorOf(error);
  return Object.assign(new Error(message), { data: { code, message, reason, ...limited } });
}
