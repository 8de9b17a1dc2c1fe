import { setTimeout as delay } from 'node:timers/promises';
import { BackendEvent, encodeBackendEvent, EventVersions } from '@hearth/protocol';
import { AckedPublisher } from './acked-publisher';
import { StreamConnection } from './connection';
import { ensureEventStream, EventStreamSettings } from './streams';

export interface EventPublisherSettings extends EventStreamSettings {
  /** `metadata.hotsockVersion` */
  readonly compatVersion: string;
}

/** Events, and bytes of them, that may wait for the stream; past it the oldest are dropped (pubsub-events §4.4). */
const MAX_WAITING = 100_000;
const MAX_WAITING_BYTES = 256 * 1_048_576;
const RETRY_MS = 500;

/** Backend events on JetStream (pubsub-events). They never delay anything else: they wait in a bounded buffer. */
export class EventPublisher {
  private readonly publisher: AckedPublisher;
  private readonly versions: EventVersions;
  /** Pending until the stream is known to exist. */
  private ready: Promise<void> | undefined;
  private isReady = false;
  private isClosed = false;

  constructor(
    private readonly connection: StreamConnection,
    private readonly settings: EventPublisherSettings,
    /** `metadata.hearthVersion` */
    version: string,
    private readonly onDropped: () => void,
  ) {
    this.publisher = new AckedPublisher(connection);
    this.versions = { compatVersion: settings.compatVersion, version };
  }

  /** Whether NATS is there at the moment. */
  get isConnected(): boolean {
    return this.connection.isConnected;
  }

  /**
   * Creates the stream unless it is known to exist, so that consumers can be set up before the first event. Tries for as
   * long as NATS cannot be asked.
   */
  ensureStream(): Promise<void> {
    this.ready ??= this.createStream();
    return this.ready;
  }

  /**
   * Publishes an event; events leave in the order of the calls. A repeat with the same id is recognised by the stream.
   *
   * @returns when the stream holds the event, or it was dropped
   */
  async publish(event: BackendEvent): Promise<void> {
    const { subject, headers, payload } = encodeBackendEvent(event, this.settings.eventsSubjectPrefix, this.versions);
    try {
      if (!this.isReady) await this.ensureStream();
      while (this.publisher.unconfirmed >= MAX_WAITING || this.publisher.unconfirmedBytes > MAX_WAITING_BYTES) {
        this.publisher.dropOldest();
      }
      await this.publisher.publish(subject, payload, { messageId: event.id, headers });
    } catch {
      this.onDropped();
    }
  }

  close(): void {
    this.isClosed = true;
    this.publisher.close();
  }

  private async createStream(): Promise<void> {
    while (!this.isClosed) {
      try {
        await ensureEventStream(await this.connection.manager(), this.settings);
        this.isReady = true;
        return;
      } catch {
        await delay(RETRY_MS, undefined, { ref: false });
      }
    }
  }
}
