import { every, type Repeated } from '@hearth/timing';
import type { FastifyInstance } from 'fastify';
import type { IncomingHttpHeaders, IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import { Server as TlsServer } from 'node:tls';
import type { OpenSockets } from './open-sockets';
import { plainHead } from './plain-head';
import { PlainReply, type Reply } from './plain-reply';
import { SLOW_CHECK_MS } from './request-times';

/** Who sends a request: what Node's and a plain one have in common. */
export type Sender = Pick<IncomingMessage, 'headers' | 'socket'>;

/** Answers with `reply`, now or later, whatever happens. */
export type PlainRoute = (sender: Sender, body: Buffer, reply: Reply) => void;

declare module 'fastify' {
  interface FastifyInstance {
    plainPosts: PlainPosts;
  }
}

/**
 * Reads by hand what nearly every publisher sends, past Node's HTTP server and Fastify: a `POST` to a path that is known
 * here, head and body in one piece, on a connection that is kept alive, with nothing unusual in its head. Node's parser,
 * streams and answer take three times the CPU of accepting a small message (docs/performance.md).
 *
 * The first thing on a connection that is anything else goes to Node's server as it came, and the connection with it, for
 * good: chunks, uploads, WebSockets, faults, whatever a proxy might read in another way. So HTTP stays Node's business, and
 * what is read here is answered in the same words.
 */
export class PlainPosts {
  private readonly routes: { readonly start: string; readonly maxBytes: number; readonly answer: PlainRoute }[] = [];
  private readonly connections = new Set<PlainConnection>();
  private readonly server: Server;
  private handOverToNode: (socket: Socket) => void = () => undefined;
  private looking: Repeated | undefined;
  isDraining = false;

  constructor(
    instance: FastifyInstance,
    readonly sockets: OpenSockets,
    private readonly maxHeaderBytes: number,
  ) {
    this.server = instance.server;
    instance.addHook('preClose', async () => this.drain());
  }

  /** Answers plain requests to a path; they stay in a route of Fastify's all the same, for all others. */
  take(path: string, maxBytes: number, answer: PlainRoute): void {
    this.routes.push({ start: `POST ${path} HTTP/1.1\r\n`, maxBytes, answer });
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
   * @param chunk what came at once
   * @returns undefined when it is not exactly one plain request
   */
  read(chunk: Buffer): { answer: PlainRoute; headers: IncomingHttpHeaders; body: Buffer } | undefined {
    // `P`, before anything is looked for in what may be something else.
    if (chunk[0] !== 0x50) return undefined;
    const end = chunk.indexOf('\r\n\r\n');
    if (end < 0 || end > this.maxHeaderBytes) return undefined;
    const text = chunk.toString('latin1', 0, end + 2);
    for (const { start, maxBytes, answer } of this.routes) {
      if (!text.startsWith(start)) continue;
      const head = plainHead(text.slice(start.length));
      if (head === undefined || head.bodyBytes > maxBytes || end + 4 + head.bodyBytes !== chunk.length)
        return undefined;
      return { answer, headers: head.headers, body: chunk.subarray(end + 4) };
    }
    return undefined;
  }

  /** For `Keep-Alive`; undefined when the connection ends with the answer. */
  readonly keepAliveSeconds = (): number | undefined =>
    this.isDraining ? undefined : Math.floor(this.server.keepAliveTimeout / 1_000);

  forget(connection: PlainConnection): void {
    this.connections.delete(connection);
  }

  /** @param waitedMs since the connection began, if nothing came before */
  handOver(socket: Socket, chunk: Buffer, waitedMs: number): void {
    this.handOverToNode(socket);
    socket.off('error', noop);
    socket.unshift(chunk);
    const { headersTimeout } = this.server;
    if (waitedMs < UNNOTICED * headersTimeout || chunk.includes('\r\n\r\n')) return;
    // To Node the connection is new, and its whole head is due by then all the same.
    const isDue = (): boolean => !socket.destroyed && socket.bytesWritten === 0 && !this.sockets.isAnswering(socket);
    setTimeout(() => {
      if (isDue()) this.timeUp(socket);
    }, headersTimeout - waitedMs).unref();
  }

  /** As Node does: a connection on which nothing comes is answered 408, one that has been answered is closed. */
  private look(): void {
    const { headersTimeout, keepAliveTimeout } = this.server;
    for (const connection of this.connections) {
      const idleMs = connection.idleMs();
      if (connection.isNew && idleMs > headersTimeout) {
        connection.leave();
        this.timeUp(connection.socket);
      } else if (!connection.isNew && idleMs > keepAliveTimeout) connection.socket.destroy();
    }
  }

  private timeUp(socket: Socket): void {
    const error = Object.assign(new Error('Request timeout'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' });
    this.server.emit('clientError', error, socket);
  }

  /** The listener closes: who waits for an answer gets it, and the connection ends with that. */
  private drain(): void {
    this.isDraining = true;
    void this.looking?.stop();
    for (const { isAnswering, socket } of this.connections) if (!isAnswering) socket.destroy();
  }
}

/** Of the time for a head: who has said nothing for so long gains nothing that Node's own look each second would notice. */
const UNNOTICED = 0.2;

/** A connection on which all that came so far were plain requests. */
class PlainConnection {
  /** No request has come. */
  isNew = true;
  private since = performance.now();
  isAnswering = false;
  private hasEnded = false;
  /** What came before the answer to what was before it. */
  private early: Buffer | undefined;

  constructor(
    private readonly posts: PlainPosts,
    readonly socket: Socket,
  ) {
    socket.on('data', this.onData).on('end', this.onEnd).on('close', this.onClose).on('error', noop);
  }

  /** Since the last answer; 0 while one is due. */
  idleMs(): number {
    return this.isAnswering ? 0 : performance.now() - this.since;
  }

  /** Somebody else reads it from now on. */
  leave(): void {
    const { socket } = this;
    socket.off('data', this.onData).off('end', this.onEnd).off('close', this.onClose);
    this.posts.forget(this);
  }

  private readonly onData = (chunk: Buffer): void => {
    if (this.isAnswering) {
      this.early = this.early === undefined ? chunk : Buffer.concat([this.early, chunk]);
      this.socket.pause();
      return;
    }
    const post = this.posts.read(chunk);
    if (post === undefined) {
      this.leave();
      // Node answers nobody either who says that nothing more will come.
      if (this.hasEnded) this.socket.end();
      else this.posts.handOver(this.socket, chunk, this.isNew ? this.idleMs() : 0);
      return;
    }
    this.isNew = false;
    this.isAnswering = true;
    this.posts.sockets.owe(this.socket);
    const sender = { headers: post.headers, socket: this.socket };
    post.answer(sender, post.body, new PlainReply(this.answered, this.posts.keepAliveSeconds));
  };

  private readonly answered = (answer: string): void => {
    const { socket, early } = this;
    this.isAnswering = false;
    this.since = performance.now();
    this.posts.sockets.paid(socket);
    if (!socket.writable) return;
    const isTaken = socket.write(answer);
    if (this.posts.isDraining) {
      socket.end();
    } else if (early !== undefined) {
      this.early = undefined;
      socket.resume();
      this.onData(early);
    } else if (this.hasEnded) {
      socket.end();
    } else if (!isTaken) {
      // A client that reads no answers must not have more of them.
      socket.pause().once('drain', () => socket.resume());
    }
  };

  private readonly onEnd = (): void => {
    this.hasEnded = true;
    if (!this.isAnswering) this.socket.end();
  };

  private readonly onClose = (): void => {
    this.posts.sockets.paid(this.socket);
    this.posts.forget(this);
  };
}

/** What is wrong with a connection ends it; there is nobody to tell. */
function noop(): void {}
