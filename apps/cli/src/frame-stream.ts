import { WebSocket } from 'ws';

/** One frame of the protocol, as far as this command looks into it. */
export interface Frame {
  /** As it came. */
  readonly text: string;
  readonly event?: unknown;
  readonly channel?: unknown;
  readonly error?: { readonly code?: unknown; readonly message?: unknown };
}

/** How a connection ended: by a close frame, or by an answer or failure before or instead of one. */
export type Ending = { readonly code: number; readonly reason: string } | { readonly failure: string };

/** What a person who pressed Ctrl-C waits without wondering. */
const CLOSE_WITHIN_MS = 2_000;

/** A connection to an installation (websocket-protocol §1). The token is in no message of it. */
export class FrameStream {
  readonly ended: Promise<Ending>;
  private readonly socket: WebSocket;

  constructor(url: string, token: string, onFrame: (frame: Frame) => void) {
    const address = new URL(url);
    address.searchParams.set('token', token);
    const socket = new WebSocket(address);
    this.socket = socket;
    socket.on('message', (data) => onFrame(parseFrame((data as Buffer).toString('utf8'))));
    this.ended = new Promise((resolve) => {
      socket.on('unexpected-response', (_request, response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => {
          resolve({ failure: refusal(response.statusCode ?? 0, Buffer.concat(chunks).toString('utf8')) });
          socket.terminate();
        });
      });
      socket.on('error', (error: NodeJS.ErrnoException) => {
        resolve({ failure: `${url} cannot be reached (${error.code ?? error.message})` });
      });
      socket.on('close', (code, reason) => resolve({ code, reason: reason.toString('utf8') }));
    });
  }

  send(frame: object): void {
    this.socket.send(JSON.stringify(frame));
  }

  /** Closes in good order; `ended` follows, also if the other side has stopped answering. */
  close(): void {
    this.socket.close(1000);
    setTimeout(() => this.socket.terminate(), CLOSE_WITHIN_MS).unref();
  }
}

function parseFrame(text: string): Frame {
  return { ...(JSON.parse(text) as object), text };
}

/** The server's reason, where it gave one (websocket-protocol §1.1). */
function refusal(status: number, body: string): string {
  try {
    const { error } = JSON.parse(body) as { error: { code: string; message: string } };
    return `the connection was refused: ${error.code}, ${error.message}`;
  } catch {
    return `the connection was refused with HTTP status ${status}`;
  }
}
