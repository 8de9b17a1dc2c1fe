import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { verifyWebhook } from '@hearth/server-sdk';
import { Webhook } from 'standardwebhooks';

export const SECRET = `whsec_${Buffer.alloc(32, 1).toString('base64')}`;
export const OTHER_SECRET = `whsec_${Buffer.alloc(32, 2).toString('base64')}`;

/** One request as a backend sees it. */
export interface Delivery {
  readonly id: string;
  /** `webhook-timestamp` */
  readonly timestamp: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly type: string;
  readonly channel: string | undefined;
  /** What the test put into the event. */
  readonly n: number;
  /** What it was answered. */
  status: number;
}

export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Decides how a delivery is answered; may write the answer itself and return nothing. */
export type Behaviour = (
  delivery: Delivery,
  response: ServerResponse,
) => Answer | number | undefined | Promise<Answer | number | undefined>;

/** A backend: a real HTTP server that checks every signature with the reference library and with ours. */
export class Receiver {
  /** Everything that came, in the order of its arrival. */
  readonly deliveries: Delivery[] = [];
  /** Requests whose signature was wrong. */
  readonly forged: string[] = [];
  /** TCP connections that were opened. */
  connections = 0;
  behaviour: Behaviour = () => 200;
  secret = SECRET;

  private constructor(
    private readonly server: Server,
    readonly port: number,
  ) {}

  static async start(port = 0): Promise<Receiver> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    const receiver = new Receiver(server, (server.address() as AddressInfo).port);
    server.on('connection', () => receiver.connections++);
    server.on('request', (request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const body = Buffer.concat(chunks).toString('utf8');
        void receiver.receive(request.url ?? '', request.headers, body, response);
      });
    });
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/hook`;
  }

  /** Those that were answered with 2xx. */
  get accepted(): Delivery[] {
    return this.deliveries.filter(({ status }) => status >= 200 && status < 300);
  }

  /** The numbers of a channel's events that were accepted, in order, without repeats. */
  numbers(channel: string): number[] {
    const own = this.accepted.filter((delivery) => delivery.channel === channel);
    return [...new Map(own.map(({ id, n }) => [id, n])).values()];
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.server.closeAllConnections();
    await closed;
  }

  private async receive(
    path: string,
    headers: IncomingHttpHeaders,
    body: string,
    response: ServerResponse,
  ): Promise<void> {
    const one = (name: string): string => String(headers[name] ?? '');
    try {
      new Webhook(this.secret).verify(body, headers as Record<string, string>);
      verifyWebhook(body, headers, this.secret);
    } catch (error) {
      this.forged.push(`${one('webhook-id')}: ${(error as Error).message}`);
    }
    const { type, metadata, subject, data } = JSON.parse(body) as {
      type: string;
      metadata?: { channel?: string };
      /** Of a CloudEvent. */
      subject?: string;
      data: { n?: number };
    };
    const delivery: Delivery = {
      id: one('webhook-id'),
      timestamp: one('webhook-timestamp'),
      path,
      headers,
      body,
      type,
      channel: metadata === undefined ? subject : metadata.channel,
      n: data.n ?? -1,
      status: 0,
    };
    this.deliveries.push(delivery);
    const answer = await this.behaviour(delivery, response);
    if (answer === undefined) return;
    const { status, headers: more = {} } = typeof answer === 'number' ? { status: answer } : answer;
    delivery.status = status;
    response.writeHead(status, more).end('thanks');
  }
}
