import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Frame } from '../support/ws-client';
import { type ConnectionLog, type Intent, messageKey } from './journal';

/** What is missing, and what came wrong, of backend events. */
export interface EventVerdict {
  /** Messages and ends of connections that a backend was not told of. */
  readonly eventsLost: number;
  /** Events of a channel, or of a connection, that came behind later ones. */
  readonly eventsInverted: number;
  readonly examples: readonly string[];
}

/** One of so many is not taken, and has to come again. */
const REFUSED_ONE_OF = 200;
const KEPT_EXAMPLES = 10;

/** What was told in one round: kept for one more, and then forgotten, so that a run may take any time. */
class Told {
  readonly messages = new Set<string>();
  readonly connected = new Set<string>();
  readonly disconnected = new Set<string>();
}

/**
 * A backend that is told by webhooks of messages, and of connections that begin and end. Events may come more than once;
 * what counts is that each comes, and that the first ones of a channel or a connection are in order.
 */
export class Backend {
  private told = new Told();
  private earlier = new Told();
  /** Id of the last message of each channel. */
  private lastId = new Map<string, string>();
  private requests = 0;
  private inverted: string[] = [];
  private invertedCount = 0;

  private constructor(private readonly server: Server) {}

  static async start(): Promise<Backend> {
    const server = createServer();
    const backend = new Backend(server);
    server.on('request', (request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('error', () => undefined);
      request.on('end', () => {
        const isTaken = ++backend.requests % REFUSED_ONE_OF !== 0;
        if (isTaken) backend.take(JSON.parse(Buffer.concat(chunks).toString('utf8')));
        response.writeHead(isTaken ? 200 : 500).end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return backend;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/events`;
  }

  /** What of these it has not been told: accepted messages with an event, and connections that have ended. */
  missing(intents: readonly Intent[], connections: readonly ConnectionLog[]): string[] {
    const has = (kind: keyof Told, key: string): boolean => this.told[kind].has(key) || this.earlier[kind].has(key);
    const messages = intents.filter(
      ({ hasEvent, fate, publisher, n }) =>
        hasEvent === true && fate === 'acked' && !has('messages', messageKey(publisher, n)),
    );
    return [
      ...messages.map(({ publisher, n }) => `no event of ${messageKey(publisher, n)}`),
      ...connections.flatMap(({ id, label }) => [
        ...(has('connected', id) ? [] : [`no event that ${label} (${id}) is connected`]),
        ...(has('disconnected', id) ? [] : [`no event that ${label} (${id}) is disconnected`]),
      ]),
    ];
  }

  /** Counts what came in the wrong order since the last time, and forgets what is two rounds old. */
  endRound(missing: readonly string[]): EventVerdict {
    const verdict = {
      eventsLost: missing.length,
      eventsInverted: this.invertedCount,
      examples: [...missing.slice(0, KEPT_EXAMPLES), ...this.inverted],
    };
    [this.earlier, this.told] = [this.told, new Told()];
    [this.inverted, this.invertedCount] = [[], 0];
    return verdict;
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.server.closeAllConnections();
    await closed;
  }

  private take({ type, data }: Frame): void {
    switch (type) {
      case 'hotsock.connected':
        if (this.told.disconnected.has(data.id)) this.invert(`${data.id} connected after it had disconnected`);
        this.told.connected.add(data.id);
        return;
      case 'hotsock.disconnected':
        this.told.disconnected.add(data.id);
        return;
      case 'hotsock.messagePublished':
        return this.takeMessage(data);
    }
  }

  private takeMessage({ channel, id, data }: Frame): void {
    const key = messageKey(data.publisher, data.n);
    if (this.told.messages.has(key) || this.earlier.messages.has(key)) return;
    this.told.messages.add(key);
    const before = this.lastId.get(channel);
    if (before !== undefined && before > id) this.invert(`the event of ${key} (${id}) came after that of ${before}`);
    else this.lastId.set(channel, id);
  }

  private invert(what: string): void {
    this.invertedCount++;
    if (this.inverted.length < KEPT_EXAMPLES) this.inverted.push(what);
  }
}
