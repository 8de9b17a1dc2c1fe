import { AckPolicy, connect, ConsumerMessages, JsMsg, NatsConnection } from 'nats';
import type { Frame } from '../support/ws-client';

/** An event as the stream holds it. */
export interface StoredEvent {
  readonly sequence: number;
  readonly subject: string;
  /** Every value of every header. */
  readonly headers: Readonly<Record<string, readonly string[]>>;
  /** The envelope (pubsub-events §1). */
  readonly envelope: Frame;
}

const STREAM = 'HEARTH_EVENTS';
const CONSUMER = 'backend';

/** A backend that reads the events as they come, with a durable consumer and acknowledgements. */
export class Backend {
  /** By stream sequence: JetStream may hand out again what it does not know to be acknowledged. */
  private readonly taken = new Map<number, StoredEvent>();
  /** Of each event that was handed out for the first time, in this order. */
  readonly sequences: number[] = [];
  private isClosing = false;

  private constructor(
    private readonly nats: NatsConnection,
    private readonly onTrouble: (error: unknown) => void,
    private readonly messages: ConsumerMessages,
  ) {
    void this.read();
  }

  /** @param onTrouble called when reading ended although it should not */
  static async open(url: string, onTrouble: (error: unknown) => void): Promise<Backend> {
    const nats = await connect({ servers: url, maxReconnectAttempts: -1, reconnectTimeWait: 250 });
    const manager = await nats.jetstreamManager();
    await manager.consumers.add(STREAM, { durable_name: CONSUMER, ack_policy: AckPolicy.Explicit });
    const consumer = await nats.jetstream().consumers.get(STREAM, CONSUMER);
    return new Backend(nats, onTrouble, await consumer.consume());
  }

  /** In the order of the stream, with what the audit log tells. */
  get all(): readonly StoredEvent[] {
    return [...this.taken.values()].sort((a, b) => a.sequence - b.sequence);
  }

  /** What connections and channels do, in the order of the stream. */
  get events(): readonly StoredEvent[] {
    return this.all.filter(({ envelope }) => envelope.type !== 'hearth.audit');
  }

  /** Those of a type, given without its prefix, in the order of the stream. */
  eventsOf(type: string): readonly StoredEvent[] {
    return this.events.filter(({ envelope }) => envelope.type === `hotsock.${type}`);
  }

  /** How many events the stream has, and the sequence of the last one. */
  async stream(): Promise<{ readonly messages: number; readonly lastSequence: number }> {
    const { state } = await (await this.nats.jetstreamManager()).streams.info(STREAM);
    return { messages: state.messages, lastSequence: state.last_seq };
  }

  async close(): Promise<void> {
    this.isClosing = true;
    await this.messages.close();
    await this.nats.close();
  }

  private async read(): Promise<void> {
    try {
      for await (const message of this.messages) this.take(message);
      if (!this.isClosing) throw new Error('the consumer came to an end');
    } catch (error) {
      this.onTrouble(error);
    }
  }

  private take(message: JsMsg): void {
    if (!this.taken.has(message.seq)) this.sequences.push(message.seq);
    const headers = Object.fromEntries(
      (message.headers?.keys() ?? []).map((k) => [k, message.headers?.values(k) ?? []]),
    );
    this.taken.set(message.seq, {
      sequence: message.seq,
      subject: message.subject,
      headers,
      envelope: message.json<Frame>(),
    });
    message.ack();
  }
}
