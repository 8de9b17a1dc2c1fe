import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { Server as TlsServer } from 'node:tls';

/** Pieces that a body may come in, and so many more for each of its bytes: as many as a program sends that writes word by word. */
const PIECES = 1_000;
const PIECES_PER_BYTE = 0.25;
/** Whoever sends too many is not read any more, and gone after this time: the answer has left by then. */
const LEAVE_MS = 250;

/** What Node's parser is given at once: at most 170 pieces of a body. */
const SLICE_BYTES = 1_024;
/** So many that all connections bring together are taken in a turn of the event loop: some 2 ms. */
const PIECES_A_TURN = 256;

type Read = (this: Socket, chunk: Buffer) => void;

/** That have come in this turn of the event loop. */
let pieces = 0;
let isTurnToCome = false;
/** Sockets that were paused here, in the order in which they are read again. */
const waiting = new Set<Socket>();
const left = new WeakSet<Socket>();

/** Whether a body has come in more pieces than anybody needs. */
export function isTooManyPieces(count: number, bytes: number): boolean {
  return count > PIECES + bytes * PIECES_PER_BYTE;
}

/** A piece of a body was taken. */
export function countPiece(): void {
  pieces++;
  awaitTurn();
}

/** Whether `stopReading` was called for it. */
export function isLeft(socket: Socket): boolean {
  return left.has(socket);
}

/** What comes on a connection from now on is not looked at; it ends as soon as its answer has had the time to leave. */
export function stopReading(socket: Socket): void {
  if (left.has(socket)) return;
  left.add(socket);
  socket.pause();
  setTimeout(() => socket.destroy(), LEAVE_MS).unref();
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
    // Node takes its listener away when it hands the connection to another protocol; this property has it find ours.
    socket.on(
      'data',
      Object.assign((chunk: Buffer) => readSlices(socket, read, chunk), { listener: read }),
    );
  });
}

function readSlices(socket: Socket, read: Read, chunk: Buffer): void {
  waiting.delete(socket);
  for (let from = 0; from < chunk.length; from += SLICE_BYTES) {
    if (left.has(socket) || socket.destroyed) return;
    if (pieces >= PIECES_A_TURN || socket.isPaused()) return wait(socket, chunk.subarray(from));
    const to = from + SLICE_BYTES;
    read.call(socket, chunk.subarray(from, to));
    if (to < chunk.length && !socket.listeners('data').includes(read)) return void socket.push(chunk.subarray(to));
  }
}

/** Whoever paused the socket before has it read again; else it is its turn. */
function wait(socket: Socket, rest: Buffer): void {
  if (!socket.isPaused()) {
    socket.pause();
    waiting.add(socket);
  }
  socket.unshift(rest);
}

function awaitTurn(): void {
  if (isTurnToCome) return;
  isTurnToCome = true;
  setImmediate(nextTurn);
}

function nextTurn(): void {
  isTurnToCome = false;
  pieces = 0;
  const [next] = waiting;
  if (next === undefined) return;
  waiting.delete(next);
  next.resume();
  awaitTurn();
}
