/** Backend events as the events stream and webhooks bring them (pubsub-events §1–§3). */

interface Envelope<Type extends string, DataType extends string, Data, Metadata = object> {
  source: 'hotsock.v1';
  type: Type;
  /** All values are strings; what is not known is left out. */
  metadata: { hotsockVersion: string; hearthVersion?: string } & Metadata;
  data: Data;
  dataType: DataType;
}

interface OfChannel {
  channel: string;
}

/** How something came about. */
interface Origin extends OfChannel {
  trigger: 'client.websocket' | 'client.http' | 'server.lambda' | 'server.http';
  connectionId?: string;
  sourceIp?: string;
  userAgent?: string;
}

interface Author {
  uid: string | null;
  umd: unknown;
}

export type ConnectionEvent = Envelope<
  'hotsock.connected' | 'hotsock.disconnected' | 'hotsock.connectionUpdated',
  'connection',
  {
    id: string;
    connectedAt: string;
    disconnectedAt: string | null;
    keepAlive: boolean;
    sourceIp: string | null;
    uid: string | null;
    umd: unknown;
    userAgent: string | null;
  },
  /** Why a `hotsock.disconnected` is told by somebody else than the connection's gateway. */
  { reason?: 'gateway-died' }
>;

export type SubscriptionEvent = Envelope<
  'hotsock.subscribed' | 'hotsock.unsubscribed',
  'subscription',
  { channel: string; connectionId: string; uid: string | null; umd: unknown },
  OfChannel
>;

export type ChannelEvent = Envelope<
  'hotsock.channelUpdated',
  'channel',
  { name: string; subscriptionsCount: number },
  OfChannel
>;

export type ChannelMemberEvent = Envelope<
  'hotsock.memberAdded' | 'hotsock.memberUpdated' | 'hotsock.memberRemoved',
  'channelMember',
  { uid: string; umd: unknown; members: { uid: string; umd: unknown }[] },
  OfChannel
>;

export type MessageEvent = Envelope<
  'hotsock.messagePublished',
  'message',
  {
    channel: string;
    event: string;
    id: string;
    data: unknown;
    /** Of a client with `uid` or `umd` only. */
    meta?: Author;
  },
  Origin & { event: string; requestId: string }
>;

export type ChannelStorageEvent = Envelope<
  'hotsock.channelStorageUpdated',
  'channelStorage',
  {
    channel: string;
    key: string;
    /** `null` when it was cleared, or has expired. */
    data: unknown;
    dataPrevious: unknown;
    expired: boolean;
    expiresAt: string | null;
    meta: Author;
  },
  Origin & { key: string }
>;

export type MessageReactionEvent = Envelope<
  'hotsock.messageReactionAdded' | 'hotsock.messageReactionRemoved',
  'messageReaction',
  {
    channel: string;
    messageId: string;
    id: string;
    reaction: string;
    uid: string | null;
    umd: unknown;
    createdAt: string;
    expiresAt: string | null;
  },
  Origin & { reaction: string; requestId: string }
>;

/** Who did what that others should know of; many of a kind come as one with their `count`. */
export type AuditEvent = Envelope<
  'hearth.audit',
  'audit',
  {
    action: string;
    outcome: string;
    actor: string;
    sourceIp: string | null;
    target: Record<string, unknown> | null;
    reason: string | null;
    result: Record<string, unknown> | null;
    count: number;
    at: string;
  }
>;

/** Later versions may have more; `type` and `dataType` tell them apart. */
export type BackendEvent =
  | ConnectionEvent
  | SubscriptionEvent
  | ChannelEvent
  | ChannelMemberEvent
  | MessageEvent
  | ChannelStorageEvent
  | MessageReactionEvent
  | AuditEvent;

/** Any event with `HEARTH_EVENTS_FORMAT=cloudevents`; other attributes are the metadata by their names in lower case. */
export interface CloudEvent<Event extends BackendEvent = BackendEvent> {
  specversion: '1.0';
  id: string;
  source: 'hotsock.v1';
  type: Event['type'];
  /** The channel. */
  subject?: string;
  time: string;
  datacontenttype: 'application/json';
  datatype: Event['dataType'];
  data: Event['data'];
  [attribute: string]: unknown;
}
