import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Requests of a connection that are in work at once: browsers have one, and those who do not wait for answers lose no time. */
const MOST_IN_WORK = 16;
/** What may wait behind those, together. */
const MOST_WAITING = 250;
const MOST_WAITING_BYTES = 1_048_576;

/** The requests of a connection that have no answer yet. */
interface Line {
  inWork: number;
  /** Begins the next one. */
  readonly waiting: (() => void)[];
  /** What had come on the connection when the first of those began to wait. */
  waitingFrom: number;
}

/**
 * Requests that come on a connection without waiting for answers take turns. Node hands on whatever comes in one piece, and
 * looks only then whether the answers are read: 64 KiB are 2,500 requests, which would keep everybody else waiting, and
 * their answers would be kept. A connection on which too many wait is ended; what came behind them is not read any more
 * (`UpgradableRequest`).
 */
export function limitPipelining(server: Server): void {
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
    const line = lines.get(socket) ?? { inWork: 0, waiting: [], waitingFrom: 0 };
    lines.set(socket, line);
    return line;
  };
  const take = (event: string, request: IncomingMessage, answer: ServerResponse): void => {
    const { socket } = request;
    const line = lineOf(socket);
    const begin = (): void => {
      line.inWork++;
      answer.once('close', answered);
      emit(event, request, answer);
    };
    if (line.inWork < MOST_IN_WORK) return begin();
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
    if (event === 'upgrade' && (about[0] as IncomingMessage).socket.destroyed) return true;
    return emit(event, ...about);
  };
}
