import { every, type Repeated } from '@hearth/timing';
import type { FastifyInstance } from 'fastify';
import type { IncomingHttpHeaders, IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import { Server as TlsServer } from 'node:tls';
import type { Logger } from '../log/logger';
import type { OpenSockets } from './open-sockets';
import { PlainConnection } from './plain-connection';
import { plainHead } from './plain-head';
import { plainUpgrade, type UpgradeRequest } from './plain-upgrade';
import type { Reply } from './plain-reply';
import { SLOW_CHECK_MS } from './request-times';

/** Who sends a request: what Node's and a plain one have in common. */
export type Sender = Pick<IncomingMessage, 'headers' | 'socket'>;

/** Answers with `reply`, now or later, whatever happens. */
export type PlainRoute = (sender: Sender, body: Buffer, reply: Reply) => void;

/** Takes a WebSocket handshake, and its connection with it. */
export type UpgradeRoute = (request: UpgradeRequest) => void;

/** A plain request. */
export interface PlainPost {
  readonly answer: PlainRoute;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** Of all of it. */
  readonly bytes: number;
}

/** The rest of a plain request that is no longer is waited for a moment: many clients send head and body in two pieces. */
const MOST_IN_PIECES = 16 * 1024;
/** At the next look it is Node that waits for the rest. */
const PATIENCE_MS = 250;

declare module 'fastify' {
  interface FastifyInstance {
    plainPosts: PlainPosts;
  }
}

/**
 * Reads by hand what nearly every publisher sends, past Node's HTTP server and Fastify: `POST`s to a path that is known
 * here, one after the other or several at once, on a connection that is kept alive, with nothing unusual in their heads. Node's
 * parser, streams and answer take three times the CPU of accepting a small message (docs/performance.md). And WebSocket
 * handshakes that come first on their connection.
 *
 * The first thing on a connection that is anything else goes to Node's server as it came, and the connection with it, for
 * good: chunks, uploads, faults, whatever a proxy might read in another way. So HTTP stays Node's business, and
 * what is read here is answered in the same words.
 */
export class PlainPosts {
  private readonly routes: { readonly start: string; readonly maxBytes: number; readonly answer: PlainRoute }[] = [];
  private upgrades: { readonly paths: ReadonlySet<string>; readonly take: UpgradeRoute } | undefined;
  private readonly connections = new Set<PlainConnection>();
  private readonly server: Server;
  private handOverToNode: (socket: Socket) => void = () => undefined;
  private looking: Repeated | undefined;
  isDraining = false;

  constructor(
    instance: FastifyInstance,
    readonly sockets: OpenSockets,
    private readonly maxHeaderBytes: number,
    readonly logger: Logger,
    /** As `AddressLimits.takeRequest`. */
    readonly takeRequest: (sender: Sender) => number,
    /** As `UnreadAnswers.add`. */
    readonly countUnread: (socket: Socket, bytes: number) => () => void,
  ) {
    this.server = instance.server;
    instance.addHook('preClose', async () => this.drain());
  }

  /** Answers plain requests to a path; they stay in a route of Fastify's all the same, for all others. */
  take(path: string, maxBytes: number, answer: PlainRoute): void {
    this.routes.push({ start: `POST ${path} HTTP/1.1\r\n`, maxBytes, answer });
    this.listen();
  }

  /** Takes plain WebSocket handshakes of these paths; all others are still for who listens to `upgrade` of Node's server. */
  takeUpgrades(paths: readonly string[], take: UpgradeRoute): void {
    this.upgrades = { paths: new Set(paths), take };
    this.listen();
  }

  private listen(): void {
    // The first one is Node's own, from its constructor.
    const [node] = this.server.listeners('connection') as ((socket: Socket) => void)[];
    // Under TLS a connection brings something else.
    if (this.looking !== undefined || node === undefined || this.server instanceof TlsServer) return;
    this.looking = every(SLOW_CHECK_MS, () => this.look());
    this.server.removeListener('connection', node as never);
    this.handOverToNode = (socket) => node.call(this.server, socket);
    this.server.on('connection', (socket: Socket) => {
      if (this.isDraining) this.handOverToNode(socket);
      else this.connections.add(new PlainConnection(this, socket));
    });
  }

  /**
   * @param bytes what came and was not read yet
   * @returns the request that it begins with; 'unfinished' when that may become one with what comes next; else undefined
   */
  read(bytes: Buffer): PlainPost | 'unfinished' | undefined {
    // `P`, before anything is looked for in what may be something else.
    if (bytes[0] !== 0x50) return undefined;
    const end = bytes.indexOf('\r\n\r\n');
    if (end < 0) return this.mayBegin(bytes) ? 'unfinished' : undefined;
    if (end > this.maxHeaderBytes) return undefined;
    const text = bytes.toString('latin1', 0, end + 2);
    for (const { start, maxBytes, answer } of this.routes) {
      if (!text.startsWith(start)) continue;
      const head = plainHead(text.slice(start.length));
      if (head === undefined || head.bodyBytes > maxBytes) return undefined;
      const total = end + 4 + head.bodyBytes;
      if (total > bytes.length) return total > MOST_IN_PIECES ? undefined : 'unfinished';
      return { answer, headers: head.headers, body: bytes.subarray(end + 4, total), bytes: total };
    }
    return undefined;
  }

  /**
   * @param bytes all that came on a connection
   * @returns begins the WebSocket that they ask for; undefined when they are anything else
   */
  readUpgrade(bytes: Buffer, socket: Socket): (() => void) | undefined {
    const { upgrades } = this;
    // `G`, and the head is all there is.
    if (upgrades === undefined || bytes[0] !== 0x47 || bytes.length > this.maxHeaderBytes) return undefined;
    const end = bytes.indexOf('\r\n\r\n');
    if (end < 0 || end + 4 < bytes.length) return undefined;
    const head = plainUpgrade(bytes.toString('latin1', 0, end + 2), upgrades.paths);
    if (head === undefined) return undefined;
    const { url, headers } = head;
    return () => upgrades.take({ method: 'GET', httpVersion: '1.1', rawHeaders: [], socket, url, headers });
  }

  private mayBegin(bytes: Buffer): boolean {
    if (bytes.length > Math.min(this.maxHeaderBytes, MOST_IN_PIECES)) return false;
    return this.routes.some(({ start }) => start.startsWith(bytes.toString('latin1', 0, start.length)));
  }

  /** For `Keep-Alive`; undefined when the connection ends with the answer. */
  keepAliveSeconds(isLast: boolean): number | undefined {
    return this.isDraining && isLast ? undefined : Math.floor(this.server.keepAliveTimeout / 1_000);
  }

  forget(connection: PlainConnection): void {
    this.connections.delete(connection);
  }

  /** @param waitedMs since the connection began, if nothing came before */
  handOver(socket: Socket, chunk: Buffer, waitedMs: number): void {
    this.handOverToNode(socket);
    socket.unshift(chunk);
    const { headersTimeout } = this.server;
    if (waitedMs < UNNOTICED * headersTimeout || chunk.includes('\r\n\r\n')) return;
    // To Node the connection is new, and its whole head is due by then all the same.
    const isDue = (): boolean => !socket.destroyed && socket.bytesWritten === 0 && !this.sockets.isAnswering(socket);
    setTimeout(() => {
      if (isDue()) this.timeUp(socket);
    }, headersTimeout - waitedMs).unref();
  }

  /** A client has said that nothing more will come, in the middle of a request. */
  cutShort(socket: Socket): void {
    this.complain(socket, 'Parse Error', 'HPE_INVALID_EOF_STATE');
  }

  /** As Node does: a connection on which nothing comes is answered 408, one that has been answered is closed. */
  private look(): void {
    const { headersTimeout, keepAliveTimeout } = this.server;
    for (const connection of this.connections) {
      const idleMs = connection.idleMs();
      if (connection.unfinishedMs > PATIENCE_MS) connection.leaveToNode();
      else if (connection.isNew && idleMs > headersTimeout) {
        connection.leave();
        this.timeUp(connection.socket);
      } else if (!connection.isNew && idleMs > keepAliveTimeout) connection.socket.destroy();
    }
  }

  private timeUp(socket: Socket): void {
    this.complain(socket, 'Request timeout', 'ERR_HTTP_REQUEST_TIMEOUT');
  }

  private complain(socket: Socket, message: string, code: string): void {
    this.server.emit('clientError', Object.assign(new Error(message), { code }), socket);
  }

  /** The listener closes: who waits for an answer gets it, and the connection ends with that. */
  private drain(): void {
    this.isDraining = true;
    void this.looking?.stop();
    for (const connection of this.connections) {
      if (connection.unfinishedMs > 0) connection.leaveToNode();
      else if (!connection.isAnswering) connection.socket.destroy();
    }
  }
}

/** Of the time for a head: who has said nothing for so long gains nothing that Node's own look each second would notice. */
const UNNOTICED = 0.2;
