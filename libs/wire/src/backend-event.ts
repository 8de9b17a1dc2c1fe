import { encodeToken, eventSubject } from './subjects';

/**
 * Backend events (pubsub-events): what they say, and how they look on JetStream. Who makes one gives its data as JSON
 * text, so that a publisher's data passes through as written.
 */

const DATA_TYPES = {
  connected: 'connection',
  disconnected: 'connection',
  connectionUpdated: 'connection',
  subscribed: 'subscription',
  unsubscribed: 'subscription',
  channelUpdated: 'channel',
  memberAdded: 'channelMember',
  memberUpdated: 'channelMember',
  memberRemoved: 'channelMember',
  messagePublished: 'message',
  channelStorageUpdated: 'channelStorage',
  messageReactionAdded: 'messageReaction',
  messageReactionRemoved: 'messageReaction',
  audit: 'audit',
} as const;

/** The last part of `type` (pubsub-events §2). */
export type BackendEventName = keyof typeof DATA_TYPES;

/**
 * `hotsock.connected`, …; `hearth.` for what the original has not.
 *
 * @param name as in the subject; any text
 */
export function backendEventType(name: string): string {
  return `${name === 'audit' ? 'hearth' : 'hotsock'}.${name}`;
}

export const BACKEND_EVENT_TYPES: readonly string[] = Object.keys(DATA_TYPES).map(backendEventType);

/** Values are strings; what is unknown is left out, never `null` (§1). */
export type EventMetadata = Readonly<Record<string, string | undefined>>;

export interface BackendEvent {
  /** ULID, `Nats-Msg-Id`: the same at every repeat of the same event. */
  readonly id: string;
  readonly name: BackendEventName;
  /** Absent for events of a connection. */
  readonly channel?: string;
  /** Besides the versions; `channel` is added by itself. */
  readonly metadata: EventMetadata;
  /** JSON text of the object `data`. */
  readonly dataJson: string | Buffer;
}

export interface EventVersions {
  /** `metadata.hotsockVersion` */
  readonly compatVersion: string;
  /** `metadata.hearthVersion` */
  readonly version: string;
}

/** Metadata that a storage event has as headers; its other metadata has none (pubsub-events §4.3). */
const STORAGE_HEADERS = new Set(['channel', 'key', 'trigger']);

/** Subject, headers and payload of an event on JetStream (pubsub-events §1, §4). */
export function encodeBackendEvent(
  event: BackendEvent,
  prefix: string,
  versions: EventVersions,
): { subject: string; headers: Record<string, string>; payload: Buffer } {
  const dataType = DATA_TYPES[event.name];
  const metadata: EventMetadata = { channel: event.channel, ...event.metadata };
  const type = backendEventType(event.name);
  const head = `{"source":"hotsock.v1","type":"${type}","metadata":${JSON.stringify({
    hotsockVersion: versions.compatVersion,
    hearthVersion: versions.version,
    ...metadata,
  })},"data":`;
  const headers: Record<string, string> = {
    'Hearth-Source': 'hotsock.v1',
    'Hearth-Type': type,
    'Hearth-Data-Type': dataType,
  };
  for (const [name, value] of Object.entries(metadata)) {
    if (value === undefined || (dataType === 'channelStorage' && !STORAGE_HEADERS.has(name))) continue;
    headers[headerName(name)] = encodeToken(value);
  }
  const data = typeof event.dataJson === 'string' ? Buffer.from(event.dataJson, 'utf8') : event.dataJson;
  return {
    subject: eventSubject(prefix, dataType, event.name, event.channel),
    headers,
    payload: Buffer.concat([Buffer.from(head, 'utf8'), data, Buffer.from(`,"dataType":"${dataType}"}`, 'utf8')]),
  };
}

/** `connectionId` → `Hearth-Connection-Id` */
function headerName(name: string): string {
  return 'Hearth' + name.replace(/(^|[A-Z])[a-z]*/g, (word) => '-' + word.charAt(0).toUpperCase() + word.slice(1));
}
