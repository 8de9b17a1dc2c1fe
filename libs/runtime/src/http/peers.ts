import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { errorBody, type ProtocolError, protocolErrorOf, retryAfter } from '@hearth/protocol';
import type { AddressLimits } from '../limits/address-limits';
import { allBehind, readInTurns } from './body-pieces';
import { FOR_ANY_PAGE } from './http-errors';
import { JSON_TYPE } from './plain-reply';

/** Requests of a connection that are in work at once: browsers have one, and those who do not wait for answers lose no time. */
const MOST_IN_WORK = 16;
/** What may wait behind those, together. */
const MOST_WAITING = 250;
const MOST_WAITING_BYTES = 1_048_576;
/** A client that makes no room for more of its answers for so long is gone (docs/limits.md): TCP itself would wait for it as long as it acknowledges. */
export const UNREAD_MS = 30_000;

/** The requests of a connection that have no answer yet. */
interface Line {
  inWork: number;
  /** Begins the next one. */
  readonly waiting: (() => void)[];
  /** What had come on the connection when the first of those began to wait. */
  waitingFrom: number;
  /** The one that was begun last has to wait, because its address has asked for too much. */
  isDelayed: boolean;
  /** One was refused, and its answer is the last. */
  isOver: boolean;
}

/**
 * What peers of an HTTP server may cost before anything is known of them (limits §6): connections of an address, requests
 * that show no credential, requests that come without waiting for answers, bodies in small pieces, and answers that are not
 * read.
 *
 * @param addressOf who sent a request
 * @param unreadMs a connection whose peer has taken nothing of its answers for so long is ended
 */
export function limitPeers(
  server: Server,
  addresses: AddressLimits | undefined,
  addressOf: (request: IncomingMessage) => string,
  unreadMs = UNREAD_MS,
): void {
  readInTurns(server);
  const waitMs = (request: IncomingMessage): number => addresses?.takeRequest(addressOf(request), request) ?? 0;
  const isAnswering = limitRequests(server, waitMs);
  endUnread(server, unreadMs, isAnswering);
  const emit = server.emit.bind(server) as (event: string, ...about: unknown[]) => boolean;
  server.emit = (event: string, ...about: unknown[]): boolean => {
    if (event !== 'connection' || addresses?.takeSocket(about[0] as Socket) !== false) return emit(event, ...about);
    (about[0] as Socket).destroy();
    return true;
  };
}

/**
 * Requests that come on a connection without waiting for answers take turns. Node hands on whatever comes in one piece, and
 * looks only then whether the answers are read: 64 KiB are 2,500 requests, which would keep everybody else waiting, and
 * their answers would be kept. A connection on which too many wait is ended; what came behind them is not read any more
 * (`UpgradableRequest`).
 *
 * @param waitMs how long a request has to wait beside that; what it throws is the last answer of its connection
 * @returns whether requests of a connection have no answer yet
 */
function limitRequests(server: Server, waitMs: (request: IncomingMessage) => number): (socket: Socket) => boolean {
  const lines = new WeakMap<Socket, Line>();
  const emit = server.emit.bind(server) as (event: string, ...about: unknown[]) => boolean;

  const answered = function (this: ServerResponse): void {
    const { socket } = this.req;
    const line = lines.get(socket);
    if (line === undefined) return;
    line.inWork--;
    // Behind the last answer that a connection takes nothing is begun: nobody would hear what became of it.
    if (socket.writable) line.waiting.shift()?.();
  };
  const lineOf = (socket: Socket): Line => {
    const line = lines.get(socket) ?? { inWork: 0, waiting: [], waitingFrom: 0, isDelayed: false, isOver: false };
    lines.set(socket, line);
    return line;
  };
  const take = (event: string, request: IncomingMessage, answer: ServerResponse): void => {
    const { socket } = request;
    const line = lineOf(socket);
    const begin = (): void => {
      if (line.isOver) return;
      let ms: number;
      try {
        ms = waitMs(request);
      } catch (error) {
        line.isOver = true;
        return refuse(answer, protocolErrorOf(error));
      }
      line.inWork++;
      line.isDelayed = ms > 0;
      answer.once('close', answered);
      if (ms === 0) return void emit(event, request, answer);
      setTimeout(() => {
        if (!socket.destroyed) emit(event, request, answer);
      }, ms).unref();
    };
    // To read what will not be answered, or not soon, costs nearly as much as to answer it.
    if (line.isOver) return void socket.destroy();
    if (line.inWork < MOST_IN_WORK) return begin();
    if (line.isDelayed) return void socket.destroy();
    if (line.waiting.length === 0) line.waitingFrom = socket.bytesRead;
    const waitingBytes = socket.bytesRead - line.waitingFrom;
    if (line.waiting.length >= MOST_WAITING || waitingBytes > MOST_WAITING_BYTES) socket.destroy();
    else line.waiting.push(begin);
  };

  server.emit = (event: string, ...about: unknown[]): boolean => {
    if (event === 'request' || event === 'checkExpectation') {
      const [request, answer] = about as [IncomingMessage, ServerResponse];
      if (!request.socket.destroyed) take(event, request, answer);
      return true;
    }
    if (event === 'upgrade') {
      if ((about[0] as IncomingMessage).socket.destroyed) return true;
      about[2] = allBehind(about[2] as Buffer);
    }
    return emit(event, ...about);
  };
  return (socket) => (lines.get(socket)?.inWork ?? 0) > 0;
}

/** Answered and not just ended: a proxy would take the service for broken, and keep everybody else from it as well. */
function refuse(answer: ServerResponse, refusal: ProtocolError): void {
  const seconds = retryAfter(refusal);
  answer.statusCode = refusal.status;
  if (seconds !== undefined) answer.setHeader('Retry-After', seconds);
  answer
    .setHeaders(new Map(Object.entries(FOR_ANY_PAGE)))
    .setHeader('Content-Type', JSON_TYPE)
    .setHeader('Connection', 'close')
    .end(JSON.stringify(errorBody(refusal)));
}

/** Node looks whether anything moves on a connection, in either direction, and has this decide when nothing does. */
function endUnread(server: Server, unreadMs: number, isAnswering: (socket: Socket) => boolean): void {
  server.setTimeout(unreadMs, (socket) => {
    // While an answer is being made, or a poll waits for news, nothing has to move.
    if (isAnswering(socket) && socket.writableLength === 0) socket.setTimeout(unreadMs);
    else socket.destroy();
  });
}
