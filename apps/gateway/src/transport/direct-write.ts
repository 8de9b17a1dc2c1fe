import { writeSync } from 'node:fs';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';

/**
 * The file descriptor of a plain TCP socket, for `writeNow`. Valid for as long as the socket is `writable`: destroying
 * it ends that before the descriptor can be given to another connection.
 *
 * @returns undefined when bytes must not or cannot go past the stream: under TLS, where they would leave unencrypted, on
 *   systems without descriptors, and should Node one day not show it any more (it is not part of its documented API)
 */
export function descriptorOf(stream: Duplex): number | undefined {
  if (!(stream instanceof Socket) || stream instanceof TLSSocket) return undefined;
  const { _handle: handle } = stream as { _handle?: { fd?: unknown } | null };
  const fd = handle?.fd;
  return typeof fd === 'number' && fd >= 0 ? fd : undefined;
}

/**
 * Hands bytes to the operating system, past the stream that owns the descriptor, which must have nothing waiting. Never
 * blocks, because sockets of Node do not, and never throws: what is wrong with a connection comes to light when the rest
 * is written to the stream.
 *
 * @returns how many bytes were taken
 */
export function writeNow(fd: number, bytes: Uint8Array): number {
  try {
    return writeSync(fd, bytes);
  } catch {
    return 0;
  }
}
