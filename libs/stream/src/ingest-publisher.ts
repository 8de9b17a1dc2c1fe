import { encodeIngestEvent, IngestEvent, ingestSubject, partitionOf } from '@hearth/protocol';
import { createInbox, Subscription } from 'nats';
import { AckedPublisher } from './acked-publisher';
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

/** The one way into the system: publish-api, gateway and history all accept messages through it. */
export class IngestPublisher {
  private readonly publisher: AckedPublisher;
  private readonly inbox = createInbox();
  private readonly waiting = new Map<string, () => void>();
  private readonly subscription: Subscription | undefined;

  constructor(
    connection: StreamConnection,
    private readonly settings: IngestSettings,
  ) {
    this.publisher = new AckedPublisher(connection);
    if (settings.publishAck === 'log') {
      this.subscription = connection.nats.subscribe(`${this.inbox}.*`, {
        callback: (_, message) => this.waiting.get(message.subject)?.(),
      });
    }
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

  close(): void {
    this.subscription?.unsubscribe();
    this.publisher.close();
  }

  private publishToStream(event: IngestEvent, data: string): Promise<void> {
    const subject = ingestSubject(partitionOf(event.channel, this.settings.partitions));
    return this.publisher.publish(subject, encodeIngestEvent(event, data), {
      messageId: event.requestId,
      timeoutMs: this.settings.httpTimeoutMs,
    });
  }

  private async publishToLog(event: IngestEvent, data: string): Promise<void> {
    const acknowledgeTo = `${this.inbox}.${event.requestId}`;
    let timer: NodeJS.Timeout | undefined;
    const committed = new Promise<void>((resolve, reject) => {
      this.waiting.set(acknowledgeTo, resolve);
      timer = setTimeout(
        () => reject(new StreamUnavailableError('the message was queued, but not committed in time')),
        this.settings.httpTimeoutMs,
      );
    });
    try {
      await Promise.all([committed, this.publishToStream({ ...event, acknowledgeTo }, data)]);
    } finally {
      clearTimeout(timer);
      this.waiting.delete(acknowledgeTo);
    }
  }
}
