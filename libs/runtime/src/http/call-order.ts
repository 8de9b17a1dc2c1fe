import { holdJson, jsonTurn } from '@hearth/timing';
import type { Socket } from 'node:net';

/** Settles when the last call of a connection has been read, for connections on which one is not. */
const unread = new Map<Socket, Promise<void>>();

/**
 * Reads a call when those that came before it on its connection have been read: reading takes turns, and calls keep their
 * order. Whoever awaits the outcome goes on before the next one is read.
 *
 * @param bytes that are kept until it is read
 * @param read gives a promise when that takes more than this moment
 */
export function inOrder<T>(socket: Socket, bytes: number, read: () => T | Promise<T>): T | Promise<T> {
  const before = unread.size === 0 ? undefined : unread.get(socket);
  const reading = before === undefined ? read() : before.then(read);
  if (!(reading instanceof Promise)) return reading;
  const release = holdJson(bytes);
  const end = (): void => {
    release();
    if (unread.get(socket) === ended) unread.delete(socket);
  };
  const ended = reading.then(end, end);
  unread.set(socket, ended);
  return reading;
}

/** A body when it is its turn to be parsed. */
export function bodyInTurn(socket: Socket, body: Buffer): Buffer | Promise<Buffer> {
  return inOrder(socket, body.length, () => jsonTurn(body.length)?.then(() => body) ?? body);
}
