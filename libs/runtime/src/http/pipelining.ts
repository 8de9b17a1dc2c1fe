import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Nobody has more under way on one connection: browsers and libraries wait for an answer before they ask again. */
const MOST_UNANSWERED = 16;

/**
 * Ends connections on which too many requests wait for their answers. Node hands on whatever comes in one piece, and looks only
 * then whether the answers are read: 64 KiB are 2,500 requests, which keep everybody else waiting, and their answers are kept.
 * What came behind is not read any more (`UpgradableRequest`).
 */
export function limitPipelining(server: Server): void {
  const unanswered = new WeakMap<Socket, number>();
  const answered = function (this: ServerResponse): void {
    const { socket } = this.req;
    unanswered.set(socket, (unanswered.get(socket) ?? 1) - 1);
  };
  const emit = server.emit.bind(server) as (event: string, ...about: unknown[]) => boolean;
  const mayPass = ({ socket }: IncomingMessage, answer: ServerResponse): boolean => {
    const count = (unanswered.get(socket) ?? 0) + 1;
    unanswered.set(socket, count);
    answer.once('close', answered);
    if (count > MOST_UNANSWERED) socket.destroy();
    return count <= MOST_UNANSWERED;
  };
  server.emit = (event: string, ...about: unknown[]): boolean => {
    if (event === 'request' || event === 'checkExpectation') {
      if (!mayPass(...(about as [IncomingMessage, ServerResponse]))) return true;
    } else if (event === 'upgrade' && (about[0] as IncomingMessage).socket.destroyed) return true;
    return emit(event, ...about);
  };
}
