import { Agent, request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { signed } from '../aws/signed-request';
import { eventually } from '../support/eventually';
import { Arrival, Intent, Journal, messageKey, SCHEDULED_EVENT } from './journal';
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
  /** Messages of one request; more than one go to `/publish/batch`. One, if not given. */
  readonly batch?: number;
  /** Publishes as AWS SDKs do, with this key. */
  readonly awsKey?: AwsKey;
  /** Every so many messages, one has an event for backends; none, if not given. */
  readonly eventEvery?: number;
  /** Publishes each message twice, at the same instant to two nodes, with one deduplicationId. */
  readonly isTwin?: boolean;
  /** Schedules its messages for a moment between these two from now, ms; else they are published at once. */
  readonly aheadMs?: readonly [least: number, most: number];
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

/** `POST`s a document to a publish-api node. */
export function post(node: string, apiKey: string, path: string, document: unknown): Promise<Answer> {
  return send(`${node}${path}`, { authorization: `Bearer ${apiKey}` }, JSON.stringify(document));
}

/** Invokes the publish function of a node with a document, as an AWS SDK does. The answer is put as `POST /publish` puts it. */
async function invoke(node: string, key: AwsKey, document: unknown): Promise<Answer> {
  const { path, headers, body } = signed({ host: new URL(node).host, body: JSON.stringify(document), key });
  const named = Object.fromEntries(headers.flatMap((name, n) => (n % 2 === 0 ? [[name, headers[n + 1] ?? '']] : [])));
  const answer = await send(`${node}${path}`, named, body as string);
  if (typeof answer !== 'object' || answer.status !== 200) return answer;
  return { ...answer, status: answer.text.includes('"errorType"') ? 400 : 202 };
}

export interface AwsKey {
  readonly id: string;
  readonly secret: string;
}

/** Not with `fetch`, which takes three times as much of the machine. */
function send(url: string, headers: Readonly<Record<string, string>>, text: string): Promise<Answer> {
  const body = Buffer.from(text);
  const options = { method: 'POST', headers: { ...headers, 'content-length': String(body.length) }, agent };
  return new Promise((resolve) => {
    const call = request(url, { ...options, timeout: ANSWER_TIMEOUT_MS }, (answer) => {
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
  const { channel, publisher, n, isKept, deduplicationId, dueMs, hasEvent } = intent;
  return {
    channel,
    event: dueMs === undefined ? 'said' : SCHEDULED_EVENT,
    data: { publisher, n },
    store: isKept ? -1 : 0,
    ...(deduplicationId === undefined ? {} : { deduplicationId }),
    ...(hasEvent === true ? { emitPubSubEvent: true } : {}),
    ...(dueMs === undefined ? {} : { scheduleExpression: `at(${new Date(dueMs).toISOString().slice(0, 19)})` }),
  };
}

/** Publishes over HTTP, one request after the other, until it is stopped. */
export class HttpPublisher {
  acked = 0;
  /** Answers other than 202, by status. */
  readonly refusals = new Map<number, number>();
  private readonly batch: number;
  private n = 0;
  private isStopping = false;
  private isAbandoned = false;
  private running: Promise<void> = Promise.resolve();

  constructor(
    private readonly journal: Journal,
    private readonly options: PublisherOptions,
  ) {
    this.batch = options.batch ?? 1;
  }

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
    const leave = this.journal.gate.join();
    for (let request = 0; !this.isStopping; request++) {
      await this.journal.gate.pass();
      const intents = Array.from({ length: this.batch }, () => this.intend(request));
      const twins = this.options.isTwin === true ? intents.map((intent) => this.twinOf(intent)) : [];
      await Promise.all([
        this.publish(intents, request),
        ...(twins.length > 0 ? [this.publish(twins, request + 1)] : []),
      ]);
      await delay(this.options.paceMs);
    }
    leave();
  }

  private intend(request: number): Intent {
    const { name, channels, eventEvery = Infinity, aheadMs, isTwin = false } = this.options;
    const n = this.n++;
    const { isKept, isDeduplicated } = isTwin
      ? { isKept: n % 4 < 2, isDeduplicated: true }
      : kindOf(this.batch > 1 ? request : n);
    // A schedule is to the second. Once its time has come it is refused, so it is not tried again.
    const dueMs =
      aheadMs && Math.ceil((Date.now() + aheadMs[0] + ((n % 7) / 7) * (aheadMs[1] - aheadMs[0])) / 1_000) * 1_000;
    return this.journal.intend({
      publisher: name,
      n,
      // A batch stays in one channel, where it must keep its order.
      channel: channels[request % channels.length] ?? '',
      isKept,
      deduplicationId: isDeduplicated && dueMs === undefined ? messageKey(name, n) : undefined,
      dueMs,
      // Which of two twins comes is not known, so nobody waits for its event.
      hasEvent: !isTwin && n % eventEvery === 0,
      line: this.batch > 1 ? `${name} ${request}` : undefined,
    });
  }

  /** Another message that is the same for whoever deduplicates. */
  private twinOf({ publisher, channel, isKept, deduplicationId }: Intent): Intent {
    return this.journal.intend({ publisher, n: this.n++, channel, isKept, deduplicationId });
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
      if (typeof answer === 'object') this.countRefusal(answer);
      if (first?.deduplicationId === undefined) {
        const fate = fateOf(answer);
        for (const intent of intents) this.journal.settle(intent, fate);
        return;
      }
      await delay(RETRY_MS);
    }
  }

  private ask(intents: readonly Intent[], turn: number): Promise<Answer> {
    const { nodes, apiKey, awsKey } = this.options;
    const node = nodes[turn % nodes.length] ?? '';
    const [first] = intents;
    if (awsKey !== undefined && first !== undefined) return invoke(node, awsKey, documentOf(first));
    const documents = intents.map(documentOf);
    return this.batch > 1
      ? post(node, apiKey, '/publish/batch', documents)
      : post(node, apiKey, '/publish', documents[0]);
  }

  private countRefusal({ status, text }: Exclude<Answer, string | undefined>): void {
    this.refusals.set(status, (this.refusals.get(status) ?? 0) + 1);
    // The clock of a node that is wrong, and not the request, may be what it does not like.
    const isByClock = text.includes('INVALID_SCHEDULE') || status === 403;
    if (status < 500 && status !== 429 && !isByClock) this.journal.complain(`${this.name} was told ${status} ${text}`);
  }
}

/** What an answer that is not 202 says about the message. */
export function fateOf(answer: Answer): 'refused' | 'unknown' {
  if (answer === undefined) return 'unknown';
  if (answer === 'not connected') return 'refused';
  // A fault that came after the message had been handed to NATS cannot know what became of it.
  return answer.status >= 500 && !answer.text.includes('NATS is not connected') ? 'unknown' : 'refused';
}

/** Messages of a client that may be on their way at once, but for bursts. */
const WINDOW = 4;
/** What its connection has lost does not come. */
const SETTLED_WITHIN_MS = 10_000;
/** Messages from the beginning of one burst to that of the next. */
const BURST_EVERY = 50;

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
    /** Messages that it sends at once, without waiting for any, every now and then. */
    private readonly burst = 1,
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

  /** Waits for what is under way: it may come behind what others publish later. What does not come is judged. */
  async settled(): Promise<void> {
    const check = (): void => {
      if (this.underWay.size > 0) throw new Error('messages are under way');
    };
    await eventually(check, SETTLED_WITHIN_MS).catch(() => undefined);
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
    const leave = this.journal.gate.join();
    while (!this.isSilent) {
      await this.journal.gate.pass();
      const count = this.n % BURST_EVERY < this.burst ? this.burst : 1;
      for (let sent = 0; this.isComplete && sent < count; sent++) this.publishNext();
      if (this.underWay.size >= WINDOW) await new Promise<void>((resolve) => (this.mayGoOn = resolve));
      await delay(this.paceMs);
    }
    leave();
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
      // Several that go down one connection at once belong to one channel, where they must keep their order.
      channel: channels[Math.floor(n / 5) % channels.length] ?? '',
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
