import { encodeToken, eventSubject } from '@hearth/protocol';
import { VERSION } from '@hearth/service';
import { AckedPublisher } from '@hearth/stream';
import type { SequencedMessage } from './sequencing';

export interface BackendEventSettings {
  readonly eventsSubjectPrefix: string;
  /** `metadata.hotsockVersion` */
  readonly compatVersion: string;
}

/** Events that may wait for the stream; past it the oldest are dropped (pubsub-events §4.4). */
const MAX_WAITING = 100_000;

/** Backend events on JetStream (pubsub-events). They never delay a message: they wait in a bounded buffer. */
export class BackendEvents {
  private stream: Promise<void> | undefined;

  constructor(
    private readonly publisher: AckedPublisher,
    private readonly settings: BackendEventSettings,
    /** Makes sure that the stream exists; called until it succeeded once. */
    private readonly createStream: () => Promise<void>,
    private readonly onDropped: () => void,
  ) {}

  /** Creates the stream unless it is known to exist, so that consumers can be set up before the first event. */
  ensureStream(): Promise<void> {
    this.stream ??= this.createStream().catch((error: unknown) => {
      this.stream = undefined;
      throw error;
    });
    return this.stream;
  }

  /** @returns when the stream holds the event, or it was dropped */
  async messagePublished(message: SequencedMessage): Promise<void> {
    if (this.publisher.unconfirmed >= MAX_WAITING) this.publisher.dropOldest();
    const { event, id } = message;
    const subject = eventSubject(this.settings.eventsSubjectPrefix, 'message', 'messagePublished', event.channel);
    try {
      if (this.stream === undefined) await this.ensureStream();
      // The id names the event too: a worker that repeats it is recognised by the stream.
      await this.publisher.publish(subject, this.envelope(message), { messageId: id, headers: headersOf(message) });
    } catch {
      this.onDropped();
    }
  }

  private envelope({ id, event, data }: SequencedMessage): Buffer {
    const metadata = JSON.stringify({
      hotsockVersion: this.settings.compatVersion,
      hearthVersion: VERSION,
      ...metadataOf(event),
    });
    const head =
      `{"source":"hotsock.v1","type":"hotsock.messagePublished","metadata":${metadata},` +
      `"data":{"channel":${JSON.stringify(event.channel)},"event":${JSON.stringify(event.event)},"id":"${id}","data":`;
    const meta = event.meta === undefined || isAnonymous(event.meta) ? '' : `,"meta":${event.meta}`;
    return Buffer.concat([Buffer.from(head, 'utf8'), data, Buffer.from(`${meta}},"dataType":"message"}`, 'utf8')]);
  }
}

/** `meta` of a client with neither uid nor umd is left out of events (pubsub-events §3.5). */
function isAnonymous(meta: string): boolean {
  return meta === '{"uid":null,"umd":null}';
}

/** Unknown items are left out, never null (pubsub-events §1). */
function metadataOf(event: SequencedMessage['event']): Record<string, string | undefined> {
  return {
    channel: event.channel,
    event: event.event,
    trigger: event.trigger,
    requestId: event.requestId,
    connectionId: event.connectionId,
    sourceIp: event.sourceIp,
    userAgent: event.userAgent,
  };
}

function headersOf({ event }: SequencedMessage): Record<string, string> {
  const headers: Record<string, string> = {
    'Hearth-Source': 'hotsock.v1',
    'Hearth-Type': 'hotsock.messagePublished',
    'Hearth-Data-Type': 'message',
  };
  for (const [name, value] of Object.entries(metadataOf(event))) {
    if (value !== undefined) headers[headerName(name)] = encodeToken(value);
  }
  return headers;
}

/** `connectionId` → `Hearth-Connection-Id` */
function headerName(name: string): string {
  return 'Hearth' + name.replace(/(^|[A-Z])[a-z]*/g, (word) => '-' + word.charAt(0).toUpperCase() + word.slice(1));
}
