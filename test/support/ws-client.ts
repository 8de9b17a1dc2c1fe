import { WebSocket } from 'ws';
import { checkFrame } from './api-checks';
import { eventually } from './eventually';

/** One JSON object of the protocol, as it came. Not typed: a test says what it expects in there. */
export type Frame = ReturnType<typeof JSON.parse>;

export interface Closed {
  readonly code: number;
  readonly reason: string;
}

/** What the server answered instead of `101`. */
export class HandshakeRefused extends Error {
  constructor(
    readonly status: number,
    readonly body: string,
    readonly headers: Readonly<Record<string, string | string[] | undefined>>,
  ) {
    super(`the handshake was answered with ${status}: ${body}`);
  }
}

/** A WebSocket client as a user would write one: everything that came is kept, in order. */
export class WsClient {
  readonly frames: Frame[] = [];
  /** The text of each frame as it came, for bytes that parsing would lose. */
  readonly texts: string[] = [];
  readonly closed: Promise<Closed>;
  private taken = 0;

  private constructor(readonly socket: WebSocket) {
    this.closed = new Promise((resolve) => {
      socket.on('close', (code, reason) => resolve({ code, reason: reason.toString('utf8') }));
    });
    socket.on('message', (data) => {
      const text = (data as Buffer).toString('utf8');
      this.texts.push(text);
      const frame = JSON.parse(text);
      checkFrame(frame);
      this.frames.push(frame);
    });
    // An error is always followed by the close that tests look at.
    socket.on('error', () => {});
  }

  /**
   * Opens a connection.
   *
   * @param url `ws://127.0.0.1:<port>/v1`
   * @param token added as the query member `token`; leave it out to connect without
   * @throws HandshakeRefused when the server answered with an HTTP status
   */
  static open(url: string, token?: string, headers: Record<string, string> = {}): Promise<WsClient> {
    const socket = new WebSocket(token === undefined ? url : `${url}?token=${token}`, { headers });
    // Made before the connection opens: the first frame may arrive together with the answer to the handshake.
    const client = new WsClient(socket);
    return new Promise((resolve, reject) => {
      socket.on('open', () => resolve(client));
      socket.on('unexpected-response', (_request, response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => {
          const body = Buffer.concat(chunks).toString('utf8');
          reject(new HandshakeRefused(response.statusCode ?? 0, body, response.headers));
          socket.terminate();
        });
      });
      socket.on('error', reject);
    });
  }

  /** The first frame of the connection, `hotsock.connected` (websocket-protocol §2). */
  connected(): Promise<Frame> {
    return eventually(() => {
      const [first] = this.frames;
      if (first === undefined) throw new Error('no frame has come yet');
      return first;
    });
  }

  /**
   * The next frame that fits, behind the one the last call gave: frames that do not fit are passed over.
   *
   * @param wanted a test of the frame, or the value of its `event`
   */
  next(wanted: ((frame: Frame) => boolean) | string, withinMs?: number): Promise<Frame> {
    const fits = typeof wanted === 'string' ? (frame: Frame) => frame.event === wanted : wanted;
    return eventually(() => {
      const index = this.frames.findIndex((frame, position) => position >= this.taken && fits(frame));
      if (index < 0) throw new Error(`no such frame among ${JSON.stringify(this.texts.slice(this.taken))}`);
      this.taken = index + 1;
      return this.frames[index];
    }, withinMs);
  }

  /** Sends an object as JSON, or a text as it is. */
  send(frame: object | string): void {
    this.socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame));
  }

  /** Closes in good order and gives how it was closed. */
  async close(code = 1000): Promise<Closed> {
    this.socket.close(code);
    return this.closed;
  }
}

/** Opens a connection and waits for its `hotsock.connected`. */
export async function connect(url: string, token?: string, headers?: Record<string, string>): Promise<WsClient> {
  const client = await WsClient.open(url, token, headers);
  await client.connected();
  return client;
}
