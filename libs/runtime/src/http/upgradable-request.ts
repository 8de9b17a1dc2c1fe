import { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { beginReading, countPiece, isTooManyPieces, stopReading } from './body-pieces';
import { authorityOf, normalTarget, originForm } from './request-target';
import { UnfinishedBodies } from './unfinished-bodies';

/** `Upgrade: websocket`, alone or as one of several offers. */
const WEBSOCKET = /(^|,)\s*websocket\s*(,|$)/i;

/** Of this process, by socket: a body has come before the next request does. */
const bodies = new UnfinishedBodies<Socket>((socket) => socket.destroy());
/** Those that are forgotten when they close. */
const watched = new WeakSet<Socket>();

/** Node does not destroy a request that was answered before its body had come. */
function onClose(this: Socket): void {
  bodies.end(this);
}

/**
 * A request that asks for another protocol only when that protocol is WebSocket.
 *
 * As soon as anybody listens for `upgrade`, Node hands every request with an `Upgrade` header to that listener, body
 * unread. The HTTP client of Java offers `Upgrade: h2c` with its first request by default: its publishes would be lost.
 * An offer nobody takes up is to be ignored (RFC 9110 §7.8). Node decides by this property, on 20, 22 and 24 alike;
 * `shouldUpgradeCallback`, meant for this, exists in new releases only.
 */
export class UpgradableRequest extends IncomingMessage {
  private wantsUpgrade = false;
  /** Of the body, that have come. */
  pieces = 0;
  private bytes = 0;
  /** Nobody wants the rest of the body. */
  private isDropped = false;

  constructor(socket: Socket) {
    super(socket);
    beginReading(socket, this);
  }

  /** Of the body; undefined when it ends where it says so. */
  get bytesToCome(): number | undefined {
    const { 'transfer-encoding': chunked, 'content-length': length } = this.headers;
    return chunked === undefined && length !== undefined ? Number(length) - this.bytes : undefined;
  }

  get upgrade(): boolean {
    // What came behind one that has ended the connection is not even read: Node leaves the rest to whom it upgrades to.
    return this.socket.destroyed || (this.wantsUpgrade && WEBSOCKET.test(this.headers.upgrade ?? ''));
  }

  /** Node sets it when the headers are in. */
  set upgrade(value: boolean | null) {
    this.wantsUpgrade = value === true;
  }

  /** Called by Node with each piece of the body. */
  override push(piece: unknown, encoding?: BufferEncoding): boolean {
    const { socket } = this;
    if (!Buffer.isBuffer(piece)) {
      bodies.end(socket);
      return super.push(piece, encoding);
    }
    if (this.bytesToCome === undefined) countPiece();
    if (!watched.has(socket)) {
      watched.add(socket);
      socket.once('close', onClose);
    }
    bodies.add(socket, piece.length);
    this.bytes += piece.length;
    const wantsMore = this.isDropped || super.push(piece, encoding);
    // Whoever reads it has refused it by now.
    if (isTooManyPieces(++this.pieces, this.bytes)) stopReading(socket);
    return wantsMore;
  }

  /** Called by Node when the answer has left before the body was read. Node's own would not show the rest to `push`. */
  _dump(): void {
    this.isDropped = true;
    this.removeAllListeners('data').resume();
  }
}

interface HasTarget {
  target?: string;
  sentTarget?: string;
}

/** Path and query as the client wrote them: what a signature was made of. */
export function targetAsSent(request: IncomingMessage & HasTarget): string {
  return originForm(request.sentTarget ?? request.url ?? '');
}

/** The host that the request line names, where it names one. */
export function targetHost(request: IncomingMessage & HasTarget): string | undefined {
  return authorityOf(request.sentTarget ?? '');
}

// Node sets it to what the request line says. Whoever compares paths, at whatever door, sees one form of each. An accessor of
// the class itself would have to be a property, because that is what the base class has.
Object.defineProperty(UpgradableRequest.prototype, 'url', {
  get(this: HasTarget): string {
    return this.target ?? '';
  },
  set(this: HasTarget, target: string) {
    this.target = normalTarget(target);
    this.sentTarget = target;
  },
});
