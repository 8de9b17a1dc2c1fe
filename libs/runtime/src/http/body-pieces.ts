import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { Server as TlsServer } from 'node:tls';

/** Pieces that a body may come in, and so many more for each of its bytes: as many as a program sends that writes word by word. */
const PIECES = 1_000;
const PIECES_PER_BYTE = 0.25;
/** Whoever sends too many is not read any more, and gone after this time: the answer has left by then (`SILENT_MS`). */
const LEAVE_MS = 750;

/** What Node's parser is given at once of heads, and of bodies of which nobody knows where they end: at most 170 pieces. */
const SLICE_BYTES = 1_024;
/** So many that all connections bring together are taken in a turn of the event loop: some 2 ms. */
const PIECES_A_TURN = 256;
/** Of a body. Nobody waits for a turn who has brought fewer. */
const FREE_PIECES = 16;

const NOTHING: Buffer = Buffer.alloc(0);
const END_OF_HEAD = '\r\n\r\n';

/** A request that is being read. */
interface Reading {
  /** Pieces of its body that have come. */
  readonly pieces: number;
  /** Bytes of its body that have not come; undefined when it is not known. */
  readonly bytesToCome: number | undefined;
  /** It has come to its end. */
  readonly complete: boolean;
}

type Read = (this: Socket, chunk: Buffer) => void;

/** The last one of each connection. */
const readings = new WeakMap<Socket, Reading>();
/** That have come in this turn of the event loop. */
let pieces = 0;
let isTurnToCome = false;
/** Sockets that were paused here, in the order in which they are read again. */
const waiting = new Set<Socket>();
const left = new WeakSet<Socket>();
/** What came behind that which Node's parser is looking at. */
let rest = NOTHING;

/** Whether a body has come in more pieces than anybody needs. */
export function isTooManyPieces(count: number, bytes: number): boolean {
  return count > PIECES + bytes * PIECES_PER_BYTE;
}

/** What comes on a connection from now on is a part of this request, until it is complete. */
export function beginReading(socket: Socket, request: Reading): void {
  readings.set(socket, request);
}

/** A piece was taken of a body of which nobody knows where it ends. */
export function countPiece(): void {
  pieces++;
  awaitTurn();
}

/** What comes on a connection from now on is not looked at; it ends as soon as its answer has had the time to leave. */
export function stopReading(socket: Socket): void {
  if (left.has(socket)) return;
  left.add(socket);
  socket.pause();
  setTimeout(() => socket.destroy(), LEAVE_MS).unref();
}

/**
 * Call it where Node hands a connection to another protocol.
 *
 * @param head what Node says has come behind the request
 * @returns all that has
 */
export function allBehind(head: Buffer): Buffer {
  return rest.length === 0 ? head : Buffer.concat([head, rest]);
}

/**
 * Hands what comes on a server's connections to Node's parser in slices, and has bodies in small pieces take turns. The
 * parser hands on each piece of a chunked body by itself, some 8 µs each, and does not stop before the end of what it was
 * given: 64 KiB of single bytes would keep everybody else waiting for 90 ms before anybody could refuse them.
 */
export function readInTurns(server: Server): void {
  const event = server instanceof TlsServer ? 'secureConnection' : 'connection';
  const [node] = server.listeners(event) as ((socket: Socket) => void)[];
  if (node === undefined) return;
  server.removeListener(event, node);
  server.prependListener(event, (socket: Socket) => {
    node.call(server, socket);
    const [read] = socket.listeners('data') as Read[];
    if (read === undefined) return;
    socket.removeListener('data', read);
    const readSlices = (chunk: Buffer): void => slice(socket, read, chunk);
    // Node takes its listener away when it hands the connection to another protocol; this property has it find ours.
    socket.on('data', Object.assign(readSlices, { listener: read }));
  });
}

function slice(socket: Socket, read: Read, chunk: Buffer): void {
  waiting.delete(socket);
  for (let from = 0; from < chunk.length;) {
    // Behind what was refused, or is no HTTP, nothing is read.
    if (left.has(socket) || socket.destroyed || socket.writableEnded) return;
    if (socket.isPaused() || hasToWait(socket)) return wait(socket, chunk.subarray(from));
    const to = from + sliceBytes(socket, chunk, from);
    rest = chunk.subarray(to);
    read.call(socket, chunk.subarray(from, to));
    rest = NOTHING;
    // The rest has gone with the connection.
    if (to < chunk.length && !socket.listeners('data').includes(read)) return;
    from = to;
  }
  readNext();
}

/** A head by itself, so that it is known how its body comes; that at once when its end is known. */
function sliceBytes(socket: Socket, chunk: Buffer, from: number): number {
  const reading = readings.get(socket);
  if (reading !== undefined && !reading.complete) return Math.max(reading.bytesToCome ?? 0, SLICE_BYTES);
  const end = chunk.subarray(from, from + SLICE_BYTES).indexOf(END_OF_HEAD);
  return end < 0 ? SLICE_BYTES : end + END_OF_HEAD.length;
}

function hasToWait(socket: Socket): boolean {
  if (pieces < PIECES_A_TURN) return false;
  const reading = readings.get(socket);
  return reading !== undefined && !reading.complete && reading.pieces > FREE_PIECES;
}

/** Whoever paused the socket before has it read again; else it is its turn. */
function wait(socket: Socket, chunk: Buffer): void {
  if (!socket.isPaused()) {
    socket.pause();
    waiting.add(socket);
  }
  socket.unshift(chunk);
}

function awaitTurn(): void {
  if (isTurnToCome) return;
  isTurnToCome = true;
  setImmediate(nextTurn);
}

function nextTurn(): void {
  isTurnToCome = false;
  pieces = 0;
  readNext();
}

/** Whoever has waited longest, when there is room in this turn. */
function readNext(): void {
  if (pieces >= PIECES_A_TURN) return;
  const [next] = waiting;
  if (next === undefined) return;
  waiting.delete(next);
  next.resume();
  awaitTurn();
}
