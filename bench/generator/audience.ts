import { dialectOf } from './dialect';
import { Target } from './job';
import { MessageSink, Subscriber } from './subscriber';
import { channelName, connectToken } from './tokens';

/** Handshakes in flight while a scenario's subscribers connect: enough to keep a server busy, no storm. */
const CONNECT_CONCURRENCY = 64;

/** How long one connection may take from its first packet to the confirmed subscription. */
const CONNECT_TIMEOUT_MS = 20_000;

/** All subscribers of a run, spread evenly over its channels. */
export class Audience {
  readonly subscribers: readonly Subscriber[];

  /** Signs the tokens; nothing is connected yet. */
  constructor(
    private readonly target: Target,
    count: number,
    channels: number,
    sink: MessageSink,
    nameOf: (channel: number) => string = channelName,
  ) {
    const secret = Buffer.from(target.signingSecret, 'base64');
    const dialect = dialectOf(target.dialect);
    this.subscribers = Array.from({ length: count }, (_, index) => {
      const channel = index % channels;
      return new Subscriber(channel, connectToken(secret, `user-${index}`, nameOf(channel)), dialect, sink);
    });
  }

  /** Connects everyone, or some, at most `concurrency` at a time; rejects with the first failure. */
  async open(concurrency = CONNECT_CONCURRENCY, subscribers = this.subscribers): Promise<void> {
    let next = 0;
    const lane = async (): Promise<void> => {
      for (let subscriber = subscribers[next++]; subscriber; subscriber = subscribers[next++]) {
        await this.openOne(subscriber);
      }
    };
    await Promise.all(Array.from({ length: concurrency }, lane));
  }

  /** Reasons for which connections ended before `close`. */
  lost(): string[] {
    return this.subscribers.flatMap(({ lost }) => lost ?? []);
  }

  close(): void {
    for (const subscriber of this.subscribers) subscriber.close();
  }

  private async openOne(subscriber: Subscriber): Promise<void> {
    const timer = setTimeout(() => subscriber.giveUp('not subscribed in time'), CONNECT_TIMEOUT_MS);
    try {
      await subscriber.open(this.target.port);
    } finally {
      clearTimeout(timer);
    }
  }
}
