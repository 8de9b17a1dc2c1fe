import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Received {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** What is done with one request. */
export type Step = (response: ServerResponse) => void;

/** An answer of this status. */
export function answer(status: number, body: string | object = '', headers: Record<string, string> = {}): Step {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return (response) => response.writeHead(status, headers).end(text);
}

/** Ends the connection before an answer, as a server does that is being restarted. */
export const reset: Step = (response) => response.socket?.resetAndDestroy();

/** Sends half an answer and then nothing. */
export const stall: Step = (response) => response.writeHead(200, { 'content-length': '100' }).write('{');

/** Never answers. */
export const hang: Step = () => undefined;

/** A server on a free port that does the steps it was given, one for each request, the last one for ever. */
export class LocalServer {
  readonly requests: Received[] = [];
  connections = 0;
  private steps: Step[] = [];

  private constructor(private readonly server: Server) {
    server.on('connection', () => this.connections++);
    server.on('request', (request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const { method = '', url: path = '', headers } = request;
        this.requests.push({ method, path, headers, body: Buffer.concat(chunks).toString('utf8') });
        const step = this.steps.length > 1 ? this.steps.shift() : this.steps[0];
        step?.(response);
      });
    });
  }

  static async start(): Promise<LocalServer> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new LocalServer(server);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Forgets what was, and does these steps from now on. */
  does(...steps: Step[]): void {
    this.requests.length = 0;
    this.steps = steps;
  }

  async stop(): Promise<void> {
    this.server.close();
    this.server.closeAllConnections();
    if (this.server.listening) await once(this.server, 'close');
  }
}
