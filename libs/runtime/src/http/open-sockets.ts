import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** A client that has begun something may finish it after the listener has closed, but not for longer than this. */
const PATIENCE_MS = 3_000;
const LOOK_MS = 100;

/**
 * The sockets of an HTTP server, so that it can be closed. Node's `close` waits for every socket that is not idle between
 * two requests, and no longer looks at its own time limits meanwhile: one that never sent a request, or half of one, would
 * keep it from closing for as long as the client likes.
 */
export class OpenSockets {
  private readonly sockets = new Set<Socket>();
  /** Answers that have not left completely, of each socket that has asked for one. */
  private readonly answers = new Map<Socket, Set<ServerResponse>>();
  /** Those that wait for an answer that is not one of Node's. */
  private readonly owed = new Set<Socket>();
  private isHurried = false;

  constructor(private readonly server: Server) {
    const { sockets, answers } = this;
    // Shared by all: a closure each is memory that every connection pays for.
    const forgetSocket = function (this: Socket): void {
      sockets.delete(this);
    };
    const forgetAnswer = function (this: ServerResponse): void {
      answers.get(this.req.socket)?.delete(this);
    };
    // An answer whose turn had not come when its socket closed is never closed itself.
    const forgetAnswers = function (this: Socket): void {
      answers.delete(this);
    };
    const answersOn = (socket: Socket): Set<ServerResponse> => {
      const known = answers.get(socket);
      if (known !== undefined) return known;
      const none = new Set<ServerResponse>();
      answers.set(socket, none);
      socket.once('close', forgetAnswers);
      return none;
    };
    server.on('connection', (socket: Socket) => {
      sockets.add(socket);
      socket.once('close', forgetSocket);
    });
    server.on('request', ({ socket }: IncomingMessage, answer: ServerResponse) => {
      answersOn(socket).add(answer);
      answer.once('close', forgetAnswer);
    });
  }

  /** An answer is due on a socket that Node's server does not read. */
  owe(socket: Socket): void {
    this.owed.add(socket);
  }

  /** It has been given. */
  paid(socket: Socket): void {
    this.owed.delete(socket);
  }

  /** Whether Node's server has a request of this socket that has not been answered completely. */
  isAnswering(socket: Socket): boolean {
    return (this.answers.get(socket)?.size ?? 0) > 0;
  }

  /**
   * Call it when the listener closes. Ends the sockets that have not been used at once, and after 3 s all whose turn it is
   * to say something; those that wait for our answer get it.
   */
  drain(): void {
    const since = performance.now();
    const look = (): void => {
      const isOver = performance.now() - since >= PATIENCE_MS;
      const due = [...this.answers].filter(([, answers]) => [...answers].some(isOurTurn));
      const waiting = new Set(due.map(([socket]) => addressOf(socket)));
      const isWaiting = (socket: Socket): boolean => this.owed.has(socket) || waiting.has(addressOf(socket));
      for (const socket of this.sockets) {
        if (this.isHurried || socket.bytesRead === 0 || (isOver && !isWaiting(socket))) socket.destroy();
      }
      if (this.sockets.size === 0) clearInterval(looks);
    };
    const looks = setInterval(look, LOOK_MS);
    looks.unref();
    this.server.once('close', () => clearInterval(looks));
    look();
  }

  /** The time is up: whatever is still open ends with the listener. */
  hurry(): void {
    this.isHurried = true;
  }
}

/** The request is here, and its answer is not finished. */
function isOurTurn({ req, writableEnded }: ServerResponse): boolean {
  return req.complete && !writableEnded;
}

/** Tells sockets apart: under TLS the one of a request is not the one that was accepted. */
function addressOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
