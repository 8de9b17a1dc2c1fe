import type { Socket } from 'node:net';
import { FOR_ANY_PAGE, sendError } from './http-errors';
import { UNREAD_MS } from './peers';
import type { PlainPost, PlainPosts } from './plain-posts';
import { PlainReply } from './plain-reply';

/** Requests that a client may send before it has the answer to the first of them; then it is not read any more. */
const MOST_DUE = 16;
/** What comes in more pieces is for Node: each is looked at anew here, with all before it. */
const MOST_PIECES = 8;

const NOTHING = Buffer.alloc(0);

/**
 * Why something that came was not read:
 *
 * - unfinished: it is a part of a request, and the rest may come.
 * - no room: too many answers are due.
 * - for Node: it is nothing plain, and goes to Node's server when all before it has been answered.
 */
type Waiting = 'unfinished' | 'no room' | 'for Node';

/**
 * A connection on which all that came so far were plain requests. Several may come before their answers: all are begun in their
 * order, and answered in it, those that are ready at the same time in one piece.
 */
export class PlainConnection {
  /** No request has come. */
  isNew = true;
  private since = performance.now();
  /** Answers that are due, in the order of their requests. */
  private readonly due: PlainReply[] = [];
  /** What came and was not read. */
  private rest: Buffer | undefined;
  private waiting: Waiting | undefined;
  private pieces = 0;
  private unfinishedSince = 0;
  private isReading = false;
  private isAboutToWrite = false;
  /** The client does not take its answers. */
  private isBlocked = false;
  /** To be called when the answers have left that wait for that. */
  private unread: (() => void)[] = [];
  private hasEnded = false;
  /** Its client has shown no credential, or a wrong one: from then on it is for Node's server, where such requests are paced. */
  private isRefused = false;
  /** It ends with the last answer that is due. */
  private isOver = false;

  constructor(
    private readonly posts: PlainPosts,
    readonly socket: Socket,
  ) {
    socket.on('data', this.onData).on('end', this.onEnd).on('close', this.onClose).on('error', noop);
  }

  get isAnswering(): boolean {
    return this.due.length > 0;
  }

  /** Since the last answer; 0 while one is due. */
  idleMs(): number {
    return this.isAnswering ? 0 : performance.now() - this.since;
  }

  /** For how long the rest of a request has been waited for, with nothing before it; 0 when it is not. */
  get unfinishedMs(): number {
    if (this.waiting !== 'unfinished' || this.isAnswering) return 0;
    return Math.max(performance.now() - this.unfinishedSince, Number.MIN_VALUE);
  }

  /** Somebody else reads it from now on. */
  leave(): void {
    const { socket } = this;
    socket.off('data', this.onData).off('end', this.onEnd).off('close', this.onClose).off('drain', this.onDrain);
    socket.setTimeout(0, this.onUnread);
    this.posts.forget(this);
  }

  /** As Node does it: what comes next waits for whoever reads it then. */
  private upgrade(begin: () => void): void {
    const { socket } = this;
    this.leave();
    (socket as { readableFlowing: boolean | null }).readableFlowing = null;
    begin();
    socket.off('error', noop);
  }

  /** Only when no answer is due. */
  leaveToNode(): void {
    const { socket, rest = NOTHING, isNew } = this;
    const unfinishedMs = this.unfinishedMs;
    this.leave();
    // Node answers nobody either who says that nothing more will come.
    if (this.hasEnded) return void socket.end();
    // Whether the client takes its answers is for Node to see as well.
    if (socket.isPaused()) socket.resume();
    this.posts.handOver(socket, rest, isNew ? this.idleMs() : unfinishedMs);
    socket.off('error', noop);
  }

  private readonly onData = (chunk: Buffer): void => {
    const { rest, waiting } = this;
    // Whoever sends on while this process ends gets no answer.
    if (this.posts.isDraining || this.isOver) return;
    this.rest = rest === undefined ? chunk : Buffer.concat([rest, chunk]);
    if (waiting === undefined || waiting === 'unfinished') this.readOn();
  };

  /** Begins what has come. */
  private readOn(): void {
    const bytes = this.rest ?? NOTHING;
    const begin = this.isNew ? this.posts.readUpgrade(bytes, this.socket) : undefined;
    if (begin !== undefined) return this.upgrade(begin);
    let [from, waiting]: [number, Waiting | undefined] = [0, undefined];
    this.isReading = true;
    while (from < bytes.length && waiting === undefined) {
      const post = this.due.length < MOST_DUE ? this.next(from === 0 ? bytes : bytes.subarray(from)) : 'no room';
      if (typeof post === 'object') {
        from += post.bytes;
        this.begin(post);
      } else waiting = post ?? 'for Node';
    }
    this.isReading = false;
    this.rest = waiting === undefined ? undefined : bytes.subarray(from);
    this.waiting = waiting === 'unfinished' ? this.waitForRest(from === 0) : waiting;
    this.look();
  }

  private next(bytes: Buffer): ReturnType<PlainPosts['read']> {
    return this.isRefused ? undefined : this.posts.read(bytes);
  }

  /** Whether it is to be read, and by whom. */
  private look(): void {
    const { waiting, isAnswering, socket } = this;
    if (this.isOver) return;
    if (waiting === 'for Node' && !isAnswering) this.leaveToNode();
    else if (waiting === 'no room' || waiting === 'for Node') socket.pause();
    else if (this.hasEnded && !isAnswering) this.finish();
  }

  /** @param isSame it is a request of which a part may have come before */
  private waitForRest(isSame: boolean): Waiting {
    if (!isSame || this.waiting !== 'unfinished') {
      this.pieces = 0;
      this.unfinishedSince = performance.now();
    }
    return ++this.pieces > MOST_PIECES ? 'for Node' : 'unfinished';
  }

  private begin({ answer, headers, body }: PlainPost): void {
    this.isNew = false;
    if (!this.isAnswering) this.posts.sockets.owe(this.socket);
    const sender = { headers, socket: this.socket };
    const reply = new PlainReply(this.onSent, sender);
    this.due.push(reply);
    answer(sender, body, reply);
  }

  private readonly onSent = (reply: PlainReply): void => {
    if (reply.isRefusal) this.pace(reply);
    else this.ready(reply);
  };

  private ready(reply: PlainReply): void {
    reply.isReady = true;
    this.onAnswer();
  }

  /** A request without a good credential waits for its turn, as Node's do (`peers.ts`): it is known only now that it is one. */
  private pace(reply: PlainReply): void {
    this.isRefused = true;
    let waitMs: number;
    try {
      waitMs = this.posts.takeRequest(reply.sender);
    } catch (error) {
      this.isOver = true;
      const last = new PlainReply((refusal) => this.ready(refusal), reply.sender);
      this.due[this.due.indexOf(reply)] = last;
      for (const [name, value] of Object.entries(FOR_ANY_PAGE)) last.header(name, value);
      return sendError(last, error, this.posts.logger);
    }
    if (waitMs > 0) setTimeout(() => this.ready(reply), waitMs).unref();
    else this.ready(reply);
  }

  private readonly onAnswer = (): void => {
    if (this.due.length === 1) return this.write();
    if (this.isAboutToWrite) return;
    this.isAboutToWrite = true;
    // Others that came with it are answered in the same moment.
    process.nextTick(this.write);
  };

  private readonly write = (): void => {
    const { due, socket, posts } = this;
    this.isAboutToWrite = false;
    let text = '';
    for (let first = due[0]; first?.isReady === true; first = due[0]) {
      due.shift();
      const isLast = due.length === 0;
      text += first.text(isLast && this.isOver ? undefined : posts.keepAliveSeconds(isLast));
    }
    if (text === '') return;
    if (!this.isAnswering) {
      this.since = performance.now();
      posts.sockets.paid(socket);
    }
    if (!socket.writable) return;
    const isTaken = socket.write(text);
    if (!isTaken) this.countUnread(Buffer.byteLength(text));
    if (this.isOver && !this.isAnswering) socket.destroySoon();
    else if (posts.isDraining) {
      // To be read, or its end would not be seen.
      if (!this.isAnswering) socket.resume().end();
    } else if (isTaken) this.goOn();
    else if (!this.isBlocked) {
      // A client that reads no answers must not have more of them, and not for ever.
      this.isBlocked = true;
      socket.pause().once('drain', this.onDrain).setTimeout(UNREAD_MS, this.onUnread);
    }
  };

  private readonly onUnread = (): void => void this.socket.destroy();

  private countUnread(bytes: number): void {
    // Also when somebody else reads the connection by then.
    if (this.unread.length === 0) this.socket.once('drain', this.onLeft);
    this.unread.push(this.posts.countUnread(this.socket, bytes));
  }

  private readonly onLeft = (): void => {
    for (const left of this.unread.splice(0)) left();
  };

  private readonly onDrain = (): void => {
    this.isBlocked = false;
    this.socket.setTimeout(0, this.onUnread);
    this.goOn();
  };

  /** There is room for more, or nothing is due any more. */
  private goOn(): void {
    if (this.isBlocked || this.isReading || this.posts.isDraining) return;
    if (this.waiting === 'for Node' && this.isAnswering) return;
    if (this.socket.isPaused()) this.socket.resume();
    if (this.waiting === 'no room') this.readOn();
    else this.look();
  }

  private readonly onEnd = (): void => {
    this.hasEnded = true;
    if (!this.isAnswering) this.finish();
  };

  /** Nothing more will come, and everything has been answered. */
  private finish(): void {
    if (this.waiting !== 'unfinished') return void this.socket.end();
    this.leave();
    this.posts.cutShort(this.socket);
  }

  private readonly onClose = (): void => {
    this.posts.sockets.paid(this.socket);
    this.posts.forget(this);
  };
}

/** What is wrong with a connection ends it; there is nobody to tell. */
function noop(): void {}
