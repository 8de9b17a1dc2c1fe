import { ErrorCode, ProtocolError } from '@hearth/protocol';
import {
  encodeIngestEvent,
  encodeIngestOperation,
  IngestEvent,
  IngestOperation,
  OperationReply,
  partitionOf,
} from '@hearth/wire';
import { randomUUID } from 'node:crypto';
import { createInbox } from 'nats';
import { AckedPublisher } from './acked-publisher';
import { StreamConnection, StreamUnavailableError } from './connection';
import { IngestBundler } from './ingest-bundler';
import { LONGEST_DEADLINE_MS } from './streams';

export interface IngestSettings {
  readonly partitions: number;
  /** A message that is not confirmed within so many ms, 10,000 at most, is reported as not accepted. */
  readonly httpTimeoutMs: number;
  /**
   * What "accepted" means: `stream`, JetStream has it and it is sure to be processed once whatever process dies; `log`,
   * it has also been committed and fanned out.
   */
  readonly publishAck: 'stream' | 'log';
}

/**
 * What Hearth puts around a publisher's `data` at most, on its way in and to the clients: names, metadata, who sent it.
 */
const ENVELOPE_BYTES = 65_536;

/** The one way into the system: publish-api, gateway and history all accept messages and operations through it. */
export class IngestPublisher {
  private readonly publisher: AckedPublisher;
  private readonly bundler: IngestBundler;
  private readonly inbox = createInbox();
  /** Who waits for an answer of the sequencer, by the subject it comes to. */
  private readonly waiting = new Map<string, (reply: string) => void>();
  private readonly stopListening: () => void;
  private answers = 0;
  private readonly deadlineMs: number;

  constructor(
    private readonly connection: StreamConnection,
    private readonly settings: IngestSettings,
  ) {
    this.publisher = new AckedPublisher(connection);
    this.deadlineMs = Math.min(settings.httpTimeoutMs, LONGEST_DEADLINE_MS);
    this.bundler = new IngestBundler(connection, this.publisher);
    this.stopListening = connection.listen(`${this.inbox}.*`, (message) =>
      this.waiting.get(message.subject)?.(message.string()),
    );
  }

  /** The partition of a channel. */
  partitionOf(channel: string): number {
    return partitionOf(channel, this.settings.partitions);
  }

  /** Bytes of `data` as written that fit into a message of NATS together with all that is put around them. */
  get maxDataBytes(): number {
    return this.connection.maxPayload - ENVELOPE_BYTES;
  }

  /**
   * Makes the message durable; events of one channel keep the order of the calls.
   *
   * @param data JSON text of the message's data
   * @throws ProtocolError `PAYLOAD_TOO_LARGE`
   * @throws StreamUnavailableError when it was not accepted
   */
  publish(event: IngestEvent, data: string): Promise<void> {
    if (this.isTooLarge(data)) return this.refuse();
    return this.settings.publishAck === 'log' ? this.publishToLog(event, data) : this.publishToStream(event, data);
  }

  /**
   * Makes an operation durable, in order with the messages of its channel.
   *
   * @param data JSON text, for kinds that carry some
   * @throws ProtocolError `PAYLOAD_TOO_LARGE`
   * @throws StreamUnavailableError when it was not accepted
   */
  operate(operation: IngestOperation, data = ''): Promise<void> {
    if (this.isTooLarge(data)) return this.refuse();
    return this.bundler.publish(this.partitionFor(operation), encodeIngestOperation(operation, data), {
      messageId: randomUUID(),
      timeoutMs: this.deadlineMs,
    });
  }

  /** As `operate`, for what may be sent again: with the same id, a repeat within some seconds is recognised. */
  operateOnce(operation: IngestOperation, id: string): Promise<void> {
    const event = encodeIngestOperation(operation, '');
    const options = { messageId: id, timeoutMs: this.deadlineMs };
    return this.bundler.publishAlone(this.partitionFor(operation), event, options);
  }

  /**
   * As `operate`, for what must arrive however long NATS is away, such as the end of a subscription. It waits in memory.
   */
  operateAtLast(operation: IngestOperation): Promise<void> {
    const event = encodeIngestOperation(operation, '');
    return this.bundler.publish(this.partitionFor(operation), event, { messageId: randomUUID() });
  }

  /**
   * As `operate`, and waits until the operation has been applied and its effect can be read from Postgres.
   *
   * @throws ProtocolError the sequencer's refusal, or `PAYLOAD_TOO_LARGE`: nothing was changed
   * @throws StreamUnavailableError when it was not accepted, or the answer did not come in time
   */
  async perform(operation: IngestOperation, data = ''): Promise<void> {
    const text = await this.answered((acknowledgeTo) => this.operate({ ...operation, acknowledgeTo }, data));
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
    this.stopListening();
    this.bundler.sendAll();
    this.publisher.close();
  }

  private isTooLarge(data: string): boolean {
    // A UTF-16 unit is at most three bytes.
    return data.length * 3 > this.maxDataBytes && Buffer.byteLength(data) > this.maxDataBytes;
  }

  private refuse(): Promise<never> {
    const message = `data must be at most ${this.maxDataBytes} bytes as written`;
    return Promise.reject(new ProtocolError('PAYLOAD_TOO_LARGE', message));
  }

  private partitionFor(operation: IngestOperation): number {
    return 'partition' in operation ? operation.partition : this.partitionOf(operation.channel);
  }

  private publishToStream(event: IngestEvent, data: string): Promise<void> {
    return this.bundler.publish(this.partitionOf(event.channel), encodeIngestEvent(event, data), {
      messageId: event.requestId,
      timeoutMs: this.deadlineMs,
    });
  }

  private async publishToLog(event: IngestEvent, data: string): Promise<void> {
    await this.answered((acknowledgeTo) => this.publishToStream({ ...event, acknowledgeTo }, data));
  }

  /** Sends something that is answered to a subject of ours, and gives the answer. */
  private async answered(send: (acknowledgeTo: string) => Promise<void>): Promise<string> {
    const acknowledgeTo = `${this.inbox}.${(this.answers++).toString(36)}`;
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
