import { Agent, request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { Arrival, Intent, Journal, messageKey } from './journal';
import { Subscriber, SubscriberOptions } from './subscriber';

/** What is published with a message; a publisher varies it from message to message. */
export interface Kind {
  readonly isKept: boolean;
  readonly isDeduplicated: boolean;
}

export interface PublisherOptions {
  readonly name: string;
  /** Base URLs of publish-api nodes; messages go to them in turn. */
  readonly nodes: readonly string[];
  readonly apiKey: string;
  readonly channels: readonly string[];
  /** Pause after each request: what bounds the load. */
  readonly paceMs: number;
}

/** All four kinds in turn. */
const kindOf = (n: number): Kind => ({ isKept: n % 2 === 0, isDeduplicated: n % 4 < 2 });

/** Longer than the service takes to give up (5 s), so that a timeout is a broken promise of ours. */
const ANSWER_TIMEOUT_MS = 10_000;
const RETRY_MS = 50;

/** An answer to a publish; `undefined` where none came and nobody knows what became of the request. */
export type Answer = { readonly status: number; readonly text: string } | 'not connected' | undefined;

/** Keeps its connections: opening one costs more than the request. */
const agent = new Agent({ keepAlive: true });

/** `POST`s a document to a publish-api node. Not with `fetch`, which takes three times as much of the machine. */
export function post(node: string, apiKey: string, path: string, document: unknown): Promise<Answer> {
  const body = Buffer.from(JSON.stringify(document));
  const headers = { authorization: `Bearer ${apiKey}`, 'content-length': body.length };
  return new Promise((resolve) => {
    const call = request(`${node}${path}`, { method: 'POST', headers, agent, timeout: ANSWER_TIMEOUT_MS }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') }));
      answer.on('error', () => resolve(undefined));
    });
    call.on('timeout', () => call.destroy());
    call.on('error', ({ code }: NodeJS.ErrnoException) =>
      resolve(code === 'ECONNREFUSED' ? 'not connected' : undefined),
    );
    call.end(body);
  });
}

/** The document of an intent (publish-api §3). */
export function documentOf(intent: Intent): object {
  return {
    channel: intent.channel,
    event: 'said',
    data: { publisher: intent.publisher, n: intent.n },
    store: intent.isKept ? -1 : 0,
    ...(intent.deduplicationId === undefined ? {} : { deduplicationId: intent.deduplicationId }),
  };
}

/** Publishes over HTTP, one request after the other, until it is stopped. */
export class HttpPublisher {
  acked = 0;
  /** Answers other than 202, by status. */
  readonly refusals = new Map<number, number>();
  private n = 0;
  private isStopping = false;
  private isAbandoned = false;
  private running: Promise<void> = Promise.resolve();

  constructor(
    private readonly journal: Journal,
    private readonly options: PublisherOptions,
    /** Messages of one request; more than one go to `/publish/batch`. */
    private readonly batch = 1,
  ) {}

  get name(): string {
    return this.options.name;
  }

  start(): void {
    this.running = this.run();
  }

  /** Ends after the request at hand. */
  async stop(): Promise<void> {
    this.isStopping = true;
    await this.running;
  }

  /** Ends at once, also where a message is still being tried. */
  abandon(): void {
    this.isStopping = true;
    this.isAbandoned = true;
  }

  private async run(): Promise<void> {
    for (let request = 0; !this.isStopping; request++) {
      const intents = Array.from({ length: this.batch }, () => this.intend(request));
      await this.publish(intents, request);
      await delay(this.options.paceMs);
    }
  }

  private intend(request: number): Intent {
    const { name, channels } = this.options;
    const n = this.n++;
    const { isKept, isDeduplicated } = kindOf(this.batch > 1 ? request : n);
    return this.journal.intend({
      publisher: name,
      n,
      // A batch stays in one channel, where it must keep its order.
      channel: channels[request % channels.length] ?? '',
      isKept,
      deduplicationId: isDeduplicated ? messageKey(name, n) : undefined,
      line: this.batch > 1 ? `${name} ${request}` : undefined,
    });
  }

  /** With a deduplicationId it is tried until it is known to be accepted; without, there is one try. */
  private async publish(intents: readonly Intent[], request: number): Promise<void> {
    const [first] = intents;
    for (let attempt = 0; !this.isAbandoned; attempt++) {
      const answer = await this.ask(intents, request + attempt);
      if (typeof answer === 'object' && answer.status === 202) {
        for (const intent of intents) this.journal.settle(intent, 'acked');
        this.acked += intents.length;
        return;
      }
      if (typeof answer === 'object') this.countRefusal(answer.status);
      if (first?.deduplicationId === undefined) {
        const fate = fateOf(answer);
        for (const intent of intents) this.journal.settle(intent, fate);
        return;
      }
      await delay(RETRY_MS);
    }
  }

  private ask(intents: readonly Intent[], turn: number): Promise<Answer> {
    const { nodes, apiKey } = this.options;
    const node = nodes[turn % nodes.length] ?? '';
    const documents = intents.map(documentOf);
    return this.batch > 1
      ? post(node, apiKey, '/publish/batch', documents)
      : post(node, apiKey, '/publish', documents[0]);
  }

  private countRefusal(status: number): void {
    this.refusals.set(status, (this.refusals.get(status) ?? 0) + 1);
  }
}

/** What an answer that is not 202 says about the message. */
export function fateOf(answer: Answer): 'refused' | 'unknown' {
  if (answer === undefined) return 'unknown';
  if (answer === 'not connected') return 'refused';
  // A 503 that came after the message had been handed to NATS cannot know what became of it.
  return answer.status === 503 && !answer.text.includes('NATS is not connected') ? 'unknown' : 'refused';
}

/** Messages of a client that may be on their way at once. */
const WINDOW = 4;

/**
 * A client that publishes over its socket and subscribes to what it publishes. Its own copy is the only answer it gets,
 * so a message without one stays of unknown fate.
 */
export class SocketPublisher extends Subscriber {
  acked = 0;
  private n = 0;
  private isSilent = false;
  private readonly underWay = new Map<string, Intent>();
  private running: Promise<void> = Promise.resolve();
  private mayGoOn: () => void = () => undefined;

  constructor(
    journal: Journal,
    options: SubscriberOptions,
    private readonly paceMs: number,
  ) {
    super(journal, options);
  }

  override start(): void {
    super.start();
    this.running = this.run();
  }

  /** Publishes nothing more, but goes on listening. */
  async fallSilent(): Promise<void> {
    this.isSilent = true;
    this.mayGoOn();
    await this.running;
  }

  protected override onArrival({ message }: Arrival): void {
    const intent = this.underWay.get(message);
    if (intent === undefined) return;
    this.journal.settle(intent, 'acked');
    this.acked++;
    this.underWay.delete(message);
    this.mayGoOn();
  }

  protected override onGone(): void {
    this.underWay.clear();
    this.mayGoOn();
  }

  /** The error does not say which message it is about, so the fate of all stays unknown until they arrive. */
  protected override onRefusal(): void {
    this.onGone();
  }

  private async run(): Promise<void> {
    while (!this.isSilent) {
      if (this.isComplete) this.publishNext();
      if (this.underWay.size >= WINDOW) await new Promise<void>((resolve) => (this.mayGoOn = resolve));
      await delay(this.paceMs);
    }
  }

  /** Every third message goes to the others only. */
  private publishNext(): void {
    const n = this.n++;
    const { channels } = this.options;
    const wantsCopy = n % 3 !== 0;
    const event = `${n % 2 === 0 ? 'kept' : 'fleeting'}-${wantsCopy ? 'echoed' : 'unechoed'}`;
    const intent = this.journal.intend({
      publisher: this.name,
      n,
      channel: channels[n % channels.length] ?? '',
      isKept: n % 2 === 0,
      line: this.label,
      exceptConnection: wantsCopy ? undefined : this.label,
    });
    if (wantsCopy) this.underWay.set(messageKey(this.name, n), intent);
    this.send({ event, channel: intent.channel, data: { publisher: this.name, n } });
  }
}

/** What tokens of clients that publish must grant for that. */
export const CLIENT_MESSAGE_CLAIMS = {
  'kept-echoed': { publish: true, echo: true, store: -1 },
  'kept-unechoed': { publish: true, store: -1 },
  'fleeting-echoed': { publish: true, echo: true },
  'fleeting-unechoed': { publish: true },
};
