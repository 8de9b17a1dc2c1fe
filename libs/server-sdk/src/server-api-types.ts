import type { Page } from './listing';

/** What the server-side HTTP API answers (publish-api §11, management-api §2, §3). Instants are RFC 3339 in UTC. */

export interface Member<Umd = unknown> {
  uid: string;
  umd: Umd | null;
}

export interface ChannelInfo<Umd = unknown> {
  name: string;
  /** Without those that asked not to be counted. */
  subscriptionsCount: number;
  /** Of presence channels only, in the order of joining. */
  members?: Member<Umd>[];
}

export interface StorageEntry<Key = string, Data = unknown> {
  key: Key;
  data: Data;
  /** Who wrote it; nobody, for servers. */
  meta: { uid: string | null; umd: unknown };
}

export interface StoragePage<Entry> extends Page {
  items: Entry[];
}

/** A message that is stored. */
export interface StoredMessage<Event = string, Data = unknown> {
  id: string;
  event: Event;
  channel: string;
  data: Data;
  /** Who sent it; nobody, for servers. */
  meta: { uid: string | null; umd: unknown };
  /** By value; absent when there are none. */
  reactions?: Record<string, { count: number }>;
}

export interface MessagesPage<Message> extends Page {
  messages: Message[];
}

export interface ChannelSummary {
  name: string;
  subscriptionsCount: number;
  connectionsCount: number;
  /** Of presence channels only. */
  membersCount?: number;
}

/** Whether every gateway that may live took part; none is waited for longer than a second. */
interface Complete {
  complete: boolean;
}

export interface ChannelsPage extends Page, Complete {
  channels: ChannelSummary[];
}

export interface Connection {
  id: string;
  uid: string | null;
  umd: unknown;
  sourceIp: string | null;
  userAgent: string | null;
  transport: 'websocket' | 'socket.io';
  connectedAt: string;
  expiresAt: string;
  /** Of the connect token. */
  jti: string | null;
  /** Of the key that it was verified with. */
  kid: string | null;
  subscriptionsCount: number;
}

export interface ConnectionsPage extends Page, Complete {
  connections: Connection[];
  /** All that match, on whichever page. */
  total: number;
}

export interface ConnectionDetails extends Connection {
  subscriptions: { channel: string; uid: string | null; umd: unknown; alias: string | null; subscribedAt: string }[];
}

export interface Schedule {
  id: string;
  scheduleArn: string;
  channel: string;
  event: string;
  /** When it fires. */
  at: string;
  trigger: 'client.websocket' | 'client.http' | 'server.lambda' | 'server.http';
  uid: string | null;
  /** Of the storage entry that is set. */
  key: string | null;
}

export interface SchedulesPage extends Page {
  schedules: Schedule[];
}

export interface ScheduleDetails extends Schedule {
  data: unknown;
  store: number;
}

export interface ConnectionQuery {
  uid?: string;
  /** Subscribed to it. */
  channel?: string;
  /** IP address or CIDR range. */
  address?: string;
  jti?: string;
}

/** Exactly one of them. */
type OneOf<Selectors> = {
  [Name in keyof Selectors]: Pick<Selectors, Name> & { [Other in Exclude<keyof Selectors, Name>]?: undefined };
}[keyof Selectors];

/** Whom to disconnect: exactly one of the four. `channel`: everybody subscribed to it. */
export type DisconnectInput = OneOf<{ uid: string; connectionId: string; channel: string; jti: string }> & {
  /** Connections that stay. */
  except?: readonly string[];
  /** What they are told, at most 100 bytes. */
  reason?: string;
  /** They may come back with a fresh token, and client libraries do. */
  reconnect?: boolean;
  /** Seconds for which their tokens are refused, up to a day; 0 when not given. */
  refuseFor?: number;
};

/** Whom to unsubscribe from a channel. */
export type UnsubscribeInput<Channel extends string = string> = OneOf<{ uid: string; connectionId: string }> & {
  channel: Channel;
  reason?: string;
  /** Seconds for which they may not subscribe again, up to a day; 60 when not given. */
  refuseFor?: number;
};

export interface Disconnected extends Complete {
  disconnected: number;
  refusedUntil: string | null;
}

export interface Unsubscribed extends Complete {
  unsubscribed: number;
  refusedUntil: string | null;
}

/** What is taken back: one token, a user's, or those verified by a key. */
export type RevokeInput = OneOf<{ jti: string; uid: string; kid: string }> & {
  /** With `uid`: tokens issued before, seconds or RFC 3339; the next whole second when not given. */
  issuedBefore?: number | string;
  reason?: string;
  /** Seconds; -1 until it is deleted. The installation's setting when not given. */
  keepFor?: number;
};

export interface Revocation {
  id: string;
  jti: string | null;
  uid: string | null;
  issuedBefore: string | null;
  kid: string | null;
  reason: string | null;
  createdAt: string;
  /** `null`: until it is deleted. */
  keptUntil: string | null;
}

export interface Revoked extends Revocation, Complete {
  /** Connections that were closed. */
  disconnected: number;
}

export interface RevocationsPage extends Page {
  revocations: Revocation[];
}
