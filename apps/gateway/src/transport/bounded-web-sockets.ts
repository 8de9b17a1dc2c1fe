import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { TokenBucket } from '@hearth/limits';
import { UnfinishedBodies } from '@hearth/runtime';
import { loopTurn } from '../limits/loop-turn';
import { WebSocket, WebSocketServer, type ServerOptions } from 'ws';

/**
 * The WebSocket server of both transports, in which a peer that does not read, or never ends what it sends, costs no more
 * than what it may (limits §6): one pong waits for it, and of an unfinished message its bytes and 16 more for each piece.
 * Of many pings that come at once the newest is answered, and who has not shown a token, or was told to go, is read slowly.
 */
export class BoundedWebSocketServer extends WebSocketServer {
  constructor(options: ServerOptions) {
    super({ ...options, ...SETTINGS });
  }

  override handleUpgrade(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    callback: (webSocket: WebSocket, request: IncomingMessage) => void,
  ): void {
    super.handleUpgrade(request, socket, head, (webSocket, upgraded) => {
      bound(webSocket);
      callback(webSocket, upgraded);
    });
  }
}

/** A client that does not answer our close is cut off after this time. It also bounds how long a slow one is kept. */
export const CLOSE_TIMEOUT_MS = 3_000;
const NO_LIMIT = 2 ** 31 - 1;
/** The type package does not know `closeTimeout` yet. The limit on pieces is ours, below. */
const SETTINGS = {
  closeTimeout: CLOSE_TIMEOUT_MS,
  autoPong: false,
  maxFragments: NO_LIMIT,
  maxBufferedChunks: NO_LIMIT,
};
/** What a piece of a message counts beside its bytes. */
const FRAGMENT_BYTES = 16;
/** So many pieces are put together: each by itself is an object of some 100 bytes, and holds what arrived with it. */
const LOOSE_PIECES = 64;
/** Of more pings in a row than this, only the newest is looked at: an answer is a write, which costs more than all of it. */
const PINGS_IN_A_ROW = 32;
const PING = 0x89;
/** Second byte of the longest: the mask bit, and 125. */
const LONGEST_PING = 0xfd;
/** First two bytes of a frame, and its mask. */
const HEAD_BYTES = 6;
/**
 * Frames of whoever nobody counts, because it has not shown its token, which takes three, or because it was told to go, of which
 * it only has to take note. What is too much is read later.
 */
const UNCOUNTED = { perSecond: 500, burst: 500 };
const READ_LATER_MS = 50;
/** Of one connection, in a turn of the event loop: 64 KiB may be ten thousand, of some microseconds each. */
const FRAMES_A_TURN = 256;
/** States of the parser: it waits for a frame; for whoever made it wait. */
const GET_INFO = 0;
const DEFER_EVENT = 6;

/** What the type package does not know of a WebSocket that a server makes. */
type ServerSide<T> = new (
  address: null,
  protocols: undefined,
  options: object,
) => T & { setSocket(socket: Duplex, head: Buffer, options: object): void };

/**
 * Begins a WebSocket on the socket of a handshake that was checked; to answer it is the caller's business, who can do so in one
 * write with what comes next. What `ws` does for that by itself is a write of its own, and a look at what cannot be there.
 *
 * @param head what has come behind the handshake
 */
export function openWebSocket<T extends WebSocket>(
  kind: new (address: null) => T,
  socket: Duplex,
  head: Buffer,
  maxPayload: number,
): T {
  const options = { ...SETTINGS, maxPayload };
  const webSocket = new (kind as unknown as ServerSide<T>)(null, undefined, options);
  webSocket.setSocket(socket, head, options);
  bound(webSocket);
  return webSocket;
}

/** Who wants to know what else arrives than messages. */
export interface Watched {
  /** A piece of a message that is not finished. */
  onPiece?: () => void;
  /** So many pings, with so many bytes. */
  onPinged?: (bytes: number, pings: number) => void;
}

/** What `ws` parses with; none of it is in its types. */
interface Receiver {
  watched: Unproven;
  readonly _fin: boolean;
  readonly _numFragments: number;
  readonly _totalPayloadLength: number;
  readonly _maxPayload: number;
  /** Of the pieces of a message that is not finished. */
  readonly _messageLength: number;
  readonly destroyed: boolean;
  _state: number;
  _bufferedBytes: number;
  /** Of a message that is not finished. */
  _fragments: Buffer[];
  /** What has been read, and not been looked at. */
  _buffers: Buffer[];
  /** Of a peer that nobody counts. */
  frames?: TokenBucket;
  /** Frames that have begun in a turn of the event loop, and which. */
  begun?: number;
  turn?: number;
  getInfo(done: (error?: Error) => void): void;
  startLoop(done: (error?: Error) => void): void;
  dataMessage(done: (error?: Error) => void): void;
  _write(chunk: Buffer, encoding: BufferEncoding, done: (error?: Error) => void): void;
  readonly writableEnded: boolean;
  end(): void;
  createError(kind: typeof Error, message: string, prefix: boolean, status: number, code: string): Error;
}

/** Somebody who may not have shown a token yet. */
type Unproven = Watched & Pick<WebSocket, 'terminate' | 'readyState'>;

/** Who has shown a token, and was not told to go: what it sends is counted by somebody. */
function isProven({ onPinged, readyState }: Unproven): boolean {
  return onPinged !== undefined && readyState === WebSocket.OPEN;
}

/** All together may have so much of unfinished messages here: hundreds of tokens at once. */
const UNPROVEN_BYTES = 33_554_432;
const unproven = new UnfinishedBodies<Unproven>((webSocket) => webSocket.terminate(), UNPROVEN_BYTES);

interface Pinged extends WebSocket, Watched {
  /** A pong waits for the client to read. */
  isPonging?: boolean;
  /** Of the newest ping since. */
  nextPong?: Buffer;
}

function bound(webSocket: WebSocket): void {
  const { _receiver: receiver } = webSocket as unknown as { _receiver: Receiver };
  receiver.watched = webSocket;
  receiver.dataMessage = takePiece;
  receiver._write = write;
  receiver.getInfo = beginFrame;
  receiver.end = end;
  webSocket.on('ping', onPing);
}

// Shared by all connections: each of them would pay for closures.
function takePiece(this: Receiver, done: (error?: Error) => void): void {
  if (!this._fin) {
    if (this._totalPayloadLength + this._numFragments * FRAGMENT_BYTES > this._maxPayload) {
      return done(this.createError(RangeError, 'Too many pieces', false, 1009, 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH'));
    }
    this.watched.onPiece?.();
    if (this._fragments.length >= LOOSE_PIECES) this._fragments = [Buffer.concat(this._fragments)];
  }
  inheritedOf(this).dataMessage.call(this, done);
}

function write(this: Receiver, chunk: Buffer, encoding: BufferEncoding, done: (error?: Error) => void): void {
  if (this._buffers.length >= LOOSE_PIECES) this._buffers = [Buffer.concat(this._buffers)];
  inheritedOf(this)._write.call(this, chunk, encoding, done);
  const { watched } = this;
  const held = this._messageLength + this._bufferedBytes;
  if (held > 0 && !isProven(watched) && !this.destroyed) unproven.set(watched, held);
  else unproven.end(watched);
}

/** `ws` waits with what it has read as it does while it inflates a message. */
function beginFrame(this: Receiver, done: (error?: Error) => void): void {
  if (this._bufferedBytes >= 2) {
    if (!isProven(this.watched) && !mayBegin(this)) return readLater(this, done, READ_LATER_MS);
    if (isTurnOver(this)) return readLater(this, done, 0);
    skipPings(this);
  }
  inheritedOf(this).getInfo.call(this, done);
}

function mayBegin(receiver: Receiver): boolean {
  const nowMs = performance.now();
  const frames = (receiver.frames ??= new TokenBucket(UNCOUNTED, nowMs));
  if (frames.waitMs(UNCOUNTED, 1, nowMs) > 0) return false;
  frames.take(UNCOUNTED, 1, nowMs);
  return true;
}

function isTurnOver(receiver: Receiver): boolean {
  const turn = loopTurn();
  const begun = receiver.turn === turn ? (receiver.begun ?? 0) : 0;
  receiver.turn = turn;
  receiver.begun = begun + 1;
  return begun >= FRAMES_A_TURN;
}

/** @param ms 0: in the next turn of the event loop */
function readLater(receiver: Receiver, done: (error?: Error) => void, ms: number): void {
  const readOn = (): void => {
    receiver._state = GET_INFO;
    if (!receiver.destroyed) receiver.startLoop(done);
  };
  receiver._state = DEFER_EVENT;
  if (ms === 0) setImmediate(readOn);
  else setTimeout(readOn, ms).unref();
}

/** RFC 6455 §5.5.3: only the newest of those pings need be answered that came before the first answer. */
function skipPings(receiver: Receiver): void {
  const [bytes] = receiver._buffers;
  if (bytes?.[0] !== PING) return;
  let [pings, newest] = [0, 0];
  for (let at = 0; bytes[at] === PING; pings++) {
    const end = at + HEAD_BYTES + ((bytes[at + 1] ?? 0) & 0x7f);
    // What is not masked, or too long, is an error, which is not ours to tell.
    if ((bytes[at + 1] ?? 0) < 0x80 || (bytes[at + 1] ?? 0) > LONGEST_PING || end > bytes.length) break;
    newest = at;
    at = end;
  }
  if (pings <= PINGS_IN_A_ROW) return;
  receiver._buffers[0] = bytes.subarray(newest);
  receiver._bufferedBytes -= newest;
  receiver.watched.onPinged?.(newest - (pings - 1) * HEAD_BYTES, pings - 1);
}

/** `ws` ends it at the end and again at the close, for which Node makes an error, with its stack, that nobody gets. */
function end(this: Receiver): void {
  unproven.end(this.watched);
  if (!this.writableEnded) inheritedOf(this).end.call(this);
}

function inheritedOf(receiver: Receiver): Receiver {
  return Object.getPrototypeOf(receiver) as Receiver;
}

function onPing(this: Pinged, data: Buffer): void {
  this.onPinged?.(data.length, 1);
  answerPing.call(this, data);
}

/** While a pong waits, only the newest ping is remembered, as RFC 6455 §5.5.3 allows. */
function answerPing(this: Pinged, data: Buffer): void {
  if (this.readyState !== WebSocket.OPEN) return;
  if (this.isPonging === true) {
    // A copy, because what it is cut out of may be large.
    this.nextPong = Buffer.from(data);
    return;
  }
  this.isPonging = this.bufferedAmount > 0;
  this.pong(data, false, () => {
    this.isPonging = false;
    const { nextPong } = this;
    this.nextPong = undefined;
    if (nextPong !== undefined) answerPing.call(this, nextPong);
  });
}
