import { type IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Backlog, type Backlogs, Held } from '../limits/backlogs';
import type { LimitAnswers } from '../limits/limit-answers';
import { peerAddress } from './client-origin';
import { UpgradableRequest } from './upgradable-request';

/** Answers that the system has no room for wait in memory until their clients read; with all else that waits in a process they have a bound (limits §2). */
export class UnreadAnswers {
  /** Of connections on which something has waited. */
  private readonly ofSockets = new WeakMap<Socket, Backlog>();

  constructor(
    private readonly backlogs: Backlogs,
    private readonly limits: LimitAnswers,
  ) {}

  /**
   * Something that was written has not left.
   *
   * @returns to be called when it has, unless the connection has closed
   */
  add(socket: Socket, bytes: number): () => void {
    const backlog = this.ofSockets.get(socket) ?? this.begin(socket);
    backlog.add(new Held(bytes));
    return backlog.take;
  }

  private begin(socket: Socket): Backlog {
    const holdsMost = (): void => {
      const address = peerAddress(socket);
      this.limits.count({ limit: 'backlogBytes', answer: 'closed', key: address, sourceIp: address });
      // There is no way to say why in the middle of an answer.
      terminate();
    };
    const terminate = (): void => {
      socket.destroy();
      backlog.end();
    };
    const backlog = new Backlog(this.backlogs, { isOpen: true, receiver: { holdsMost }, terminate });
    this.ofSockets.set(socket, backlog);
    socket.once('close', () => backlog.end());
    return backlog;
  }
}

/** Of text that is longer Node would keep what the system takes in pieces twice: as it was, and as bytes. */
const LONG_TEXT = 16_384;

/** Answers that count elsewhere while they wait. */
export const countedElsewhere = new WeakSet<ServerResponse>();

/** What an HTTP server makes requests and answers of: a part of its options. */
export function partsOf(unread: UnreadAnswers | undefined) {
  return {
    IncomingMessage: UpgradableRequest,
    ServerResponse: unread === undefined ? ServerResponse : answersThatCount(unread),
  };
}

function answersThatCount(unread: UnreadAnswers): typeof ServerResponse {
  return class<Request extends IncomingMessage> extends ServerResponse<Request> {
    override end(body?: unknown, ...more: unknown[]): this {
      const isFirst = !this.writableEnded;
      const isLong = typeof body === 'string' && body.length > LONG_TEXT && typeof more[0] !== 'string';
      super.end(...([isLong ? Buffer.from(body) : body, ...more] as unknown as []));
      // Most have left by now.
      const bytes = this.writableLength;
      const { socket } = this.req;
      if (bytes > 0 && isFirst && !socket.destroyed && !countedElsewhere.has(this)) {
        this.once('finish', unread.add(socket, bytes));
      }
      return this;
    }
  };
}
