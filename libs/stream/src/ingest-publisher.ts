import {
  encodeIngestEvent,
  encodeIngestOperation,
  ErrorCode,
  IngestEvent,
  IngestOperation,
  ingestSubject,
  OperationReply,
  partitionOf,
  ProtocolError,
} from '@hearth/protocol';
import { randomUUID } from 'node:crypto';
import { createInbox, Subscription } from 'nats';
import { AckedPublisher, PublishOptions } from './acked-publisher';
import { StreamConnection, StreamUnavailableError } from './connection';

export interface IngestSettings {
  readonly partitions: number;
  /** A message that is not confirmed within so many ms is reported as not accepted. */
  readonly httpTimeoutMs: number;
  /**
   * What "accepted" means: `stream`, JetStream has it and it is sure to be processed once whatever process dies; `log`,
   * it has also been committed and fanned out.
   */
  readonly publishAck: 'stream' | 'log';
}

/** The one way into the system: publish-api, gateway and history all accept messages and operations through it. */
export class IngestPublisher {
  private readonly publisher: AckedPublisher;
  private readonly inbox = createInbox();
  /** Who waits for an answer of the sequencer, by the subject it comes to. */
  private readonly waiting = new Map<string, (reply: string) => void>();
  private readonly subscription: Subscription;

  constructor(
    private readonly connection: StreamConnection,
    private readonly settings: IngestSettings,
  ) {
    this.publisher = new AckedPublisher(connection);
    this.subscription = connection.nats.subscribe(`${this.inbox}.*`, {
      callback: (_, message) => this.waiting.get(message.subject)?.(message.string()),
    });
  }

  /** The partition of a channel. */
  partitionOf(channel: string): number {
    return partitionOf(channel, this.settings.partitions);
  }

  /**
   * Makes the message durable; events of one channel keep the order of the calls.
   *
   * @param data JSON text of the message's data
   * @throws StreamUnavailableError when it was not accepted
   */
  publish(event: IngestEvent, data: string): Promise<void> {
    return this.settings.publishAck === 'log' ? this.publishToLog(event, data) : this.publishToStream(event, data);
  }

  /**
   * Makes an operation durable, in order with the messages of its channel.
   *
   * @param data JSON text, for kinds that carry some
   * @param id names it: a repeat within some seconds is recognised
   * @throws StreamUnavailableError when it was not accepted
   */
  operate(operation: IngestOperation, data = '', id: string = randomUUID()): Promise<void> {
    return this.send(operation, data, { messageId: id, timeoutMs: this.settings.httpTimeoutMs });
  }

  /**
   * As `operate`, for what must arrive however long NATS is away, such as the end of a subscription. It waits in memory.
   */
  operateAtLast(operation: IngestOperation): Promise<void> {
    return this.send(operation, '', { messageId: randomUUID() });
  }

  /**
   * As `operate`, and waits until the operation has been applied and its effect can be read from Postgres.
   *
   * @throws ProtocolError the sequencer's refusal: nothing was changed
   * @throws StreamUnavailableError when it was not accepted, or the answer did not come in time
   */
  async perform(operation: IngestOperation, data = '', id: string = randomUUID()): Promise<void> {
    const text = await this.answered(id, (acknowledgeTo) => this.operate({ ...operation, acknowledgeTo }, data, id));
    const reply = JSON.parse(text) as OperationReply;
    if ('error' in reply) throw new ProtocolError(reply.error.code as ErrorCode, reply.error.message);
  }

  /**
   * Makes an operation that a publisher asked for durable, and waits as long as `publish` does.
   *
   * @throws as `perform`
   */
  accept(operation: IngestOperation, data: string): Promise<void> {
    return this.settings.publishAck === 'log' ? this.perform(operation, data) : this.operate(operation, data);
  }

  /** Resolves once everything accepted before for this channel can be read from Postgres. */
  barrier(channel: string): Promise<void> {
    return this.perform({ kind: 'barrier', partition: this.partitionOf(channel) });
  }

  close(): void {
    if (!this.connection.nats.isClosed()) this.subscription.unsubscribe();
    this.publisher.close();
  }

  private send(operation: IngestOperation, data: string, options: PublishOptions): Promise<void> {
    const partition = 'partition' in operation ? operation.partition : this.partitionOf(operation.channel);
    return this.publisher.publish(ingestSubject(partition), encodeIngestOperation(operation, data), options);
  }

  private publishToStream(event: IngestEvent, data: string): Promise<void> {
    const subject = ingestSubject(this.partitionOf(event.channel));
    return this.publisher.publish(subject, encodeIngestEvent(event, data), {
      messageId: event.requestId,
      timeoutMs: this.settings.httpTimeoutMs,
    });
  }

  private async publishToLog(event: IngestEvent, data: string): Promise<void> {
    await this.answered(event.requestId, (acknowledgeTo) => this.publishToStream({ ...event, acknowledgeTo }, data));
  }

  /** Sends something that is answered to a subject of ours, and gives the answer. */
  private async answered(id: string, send: (acknowledgeTo: string) => Promise<void>): Promise<string> {
    const acknowledgeTo = `${this.inbox}.${id}`;
    let timer: NodeJS.Timeout | undefined;
    const answer = new Promise<string>((resolve, reject) => {
      this.waiting.set(acknowledgeTo, resolve);
      timer = setTimeout(
        () => reject(new StreamUnavailableError('it was queued, but not committed in time')),
        this.settings.httpTimeoutMs,
      );
    });
    try {
      const [text] = await Promise.all([answer, send(acknowledgeTo)]);
      return text;
    } finally {
      clearTimeout(timer);
      this.waiting.delete(acknowledgeTo);
    }
  }
}
