import { idTimeMs, utcInstant } from '@hearth/protocol';
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

const SOURCE = 'hotsock.v1';

/** Metadata that a storage event has as headers; its other metadata has none (pubsub-events §4.3). */
const STORAGE_HEADERS = new Set(['channel', 'key', 'trigger']);

/** How an event is written (`HEARTH_EVENTS_FORMAT`, pubsub-events §1, §4.5). */
export type EventsFormat = 'hotsock' | 'cloudevents';

/** Media type of an event in the structured mode of CloudEvents 1.0. */
export const CLOUD_EVENT_TYPE = 'application/cloudevents+json; charset=utf-8';

/** Subject, headers and payload of an event on JetStream (pubsub-events §1, §4). */
export function encodeBackendEvent(
  event: BackendEvent,
  prefix: string,
  versions: EventVersions,
  format: EventsFormat = 'hotsock',
): { subject: string; headers: Record<string, string>; payload: Buffer } {
  const dataType = DATA_TYPES[event.name];
  const metadata: EventMetadata = { channel: event.channel, ...event.metadata };
  const headers: Record<string, string> = {
    'Hearth-Source': SOURCE,
    'Hearth-Type': backendEventType(event.name),
    'Hearth-Data-Type': dataType,
    ...(format === 'cloudevents' ? { 'Content-Type': CLOUD_EVENT_TYPE } : {}),
  };
  for (const [name, value] of Object.entries(metadata)) {
    if (value === undefined || (dataType === 'channelStorage' && !STORAGE_HEADERS.has(name))) continue;
    headers[headerName(name)] = encodeToken(value);
  }
  const all = { hotsockVersion: versions.compatVersion, hearthVersion: versions.version, ...metadata };
  return {
    subject: eventSubject(prefix, dataType, event.name, event.channel),
    headers,
    payload: format === 'cloudevents' ? cloudEvent(event, dataType, all) : hotsockEvent(event, dataType, all),
  };
}

function hotsockEvent({ name, dataJson }: BackendEvent, dataType: string, metadata: EventMetadata): Buffer {
  const head = { source: SOURCE, type: backendEventType(name), metadata };
  return around(`${JSON.stringify(head).slice(0, -1)},"data":`, dataJson, `,"dataType":"${dataType}"}`);
}

/**
 * CloudEvents 1.0, structured. What is metadata elsewhere is an attribute of its name in lower case, the channel is the
 * subject. `time` is that of the id, so that a repeat of an event is the same to the byte.
 */
function cloudEvent(event: BackendEvent, dataType: string, { channel, ...metadata }: EventMetadata): Buffer {
  const attributes = Object.entries(metadata).map(([name, value]) => [name.toLowerCase(), value]);
  const head = {
    specversion: '1.0',
    id: event.id,
    source: SOURCE,
    type: backendEventType(event.name),
    subject: channel,
    time: utcInstant(idTimeMs(event.id)),
    datacontenttype: 'application/json',
    datatype: dataType,
    ...(Object.fromEntries(attributes) as EventMetadata),
  };
  return around(`${JSON.stringify(head).slice(0, -1)},"data":`, event.dataJson, '}');
}

/** Data passes through as written. */
function around(head: string, dataJson: string | Buffer, tail: string): Buffer {
  const data = typeof dataJson === 'string' ? Buffer.from(dataJson, 'utf8') : dataJson;
  return Buffer.concat([Buffer.from(head, 'utf8'), data, Buffer.from(tail, 'utf8')]);
}

/** Whether an event of the stream is a CloudEvent: both kinds stand there when the setting was changed. */
export function isCloudEvent(payload: Uint8Array): boolean {
  const head = '{"specversion":';
  return Buffer.from(payload.buffer, payload.byteOffset, Math.min(head.length, payload.length)).toString() === head;
}

/** `connectionId` → `Hearth-Connection-Id` */
function headerName(name: string): string {
  return 'Hearth' + name.replace(/(^|[A-Z])[a-z]*/g, (word) => '-' + word.charAt(0).toUpperCase() + word.slice(1));
}
