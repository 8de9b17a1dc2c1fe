import type { ServerResponse } from 'node:http';
import { CLOSE_TIMEOUT_MS, type Watched } from './bounded-web-sockets';

/** What we use of Engine.IO's session; its own types know neither the pre-encoded frame nor the transport's socket. */
export interface Session {
  readonly readyState: string;
  /** The HTTP request that opened it, with all its headers. */
  request: unknown;
  readonly transport: SessionTransport;
  write(packet: string, options: { compress: false; wsPreEncodedFrame?: readonly Buffer[] }, sent: () => void): void;
  close(discard?: boolean): void;
  once(event: 'close', listener: () => void): void;
  /** A client asks whether it can change to this transport, and has done so. */
  on(event: 'upgrading' | 'upgrade', listener: (transport: SessionTransport) => void): void;
  /** The client has answered a ping, or sent a pong without one. */
  on(event: 'heartbeat', listener: () => void): void;
}

export interface SessionTransport {
  readonly name: string;
  /** Of the WebSocket transport. */
  readonly socket?: {
    pause(): void;
    resume(): void;
    terminate(): void;
    once(event: 'close', listener: () => void): void;
  } & Watched;
  /** Of long-polling: the answer to the poll that waits. */
  readonly res?: ServerResponse | null;
  /** Of long-polling: an answer is about to be written. */
  on(event: 'headers', listener: () => void): void;
  /** Of long-polling: how long it waits for the client to fetch the close. */
  closeTimeout?: number;
  /** Of long-polling: the most that it takes at once. */
  maxHttpBufferSize?: number;
  parser: Parser;
  close(): void;
}

interface Parser {
  decodePayload(payload: string, binaryType?: string): readonly object[];
}

/** What a session may send at once that has not shown its token (limits §6); the token itself has 64 KiB at most. */
const FIRST_BYTES = 131_072;
const FIRST_PACKETS = 100;
const SEPARATOR = '\x1e';
/** For which Engine.IO closes the session. */
const ERROR_PACKET = { type: 'error', data: 'parser error' };

/**
 * Bounds what a session costs that has not shown its token yet.
 *
 * @returns lifts the bounds on what it sends
 */
export function boundSession(session: Session): () => void {
  const { transport } = session;
  const { parser, maxHttpBufferSize } = transport;
  transport.parser = firstPackets(parser);
  transport.closeTimeout = CLOSE_TIMEOUT_MS;
  if (maxHttpBufferSize !== undefined) transport.maxHttpBufferSize = Math.min(maxHttpBufferSize, FIRST_BYTES);
  const probed = new WeakSet<SessionTransport>();
  session.on('upgrading', (other) => {
    // Each probe is answered, whether or not the answers are read.
    if (probed.has(other)) other.close();
    probed.add(other);
  });
  return () => {
    transport.parser = parser;
    transport.maxHttpBufferSize = maxHttpBufferSize;
  };
}

function firstPackets(parser: Parser): Parser {
  return {
    ...parser,
    decodePayload: (payload, binaryType) =>
      hasMore(payload, FIRST_PACKETS) ? [ERROR_PACKET] : parser.decodePayload(payload, binaryType),
  };
}

/** Whether there are more packets than `most`. */
function hasMore(payload: string, most: number): boolean {
  let at = -1;
  for (let found = 0; found < most; found++) {
    at = payload.indexOf(SEPARATOR, at + 1);
    if (at < 0) return false;
  }
  return true;
}
