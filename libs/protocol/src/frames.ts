import { ErrorCode, LimitDetails } from './errors';

/**
 * The frames a client receives, as text, members in the order of websocket-protocol §4. `…Json` parameters are JSON
 * text and are passed through as they are.
 */

/** uid and umd of a connection or subscription, ready for a `meta` member. */
export interface Identity {
  readonly uid: string | null;
  /** JSON text of the user metadata, `null` when there is none. */
  readonly umdJson: string;
}

/** `{"uid":…,"umd":…}` */
export function metaJson(identity: Identity): string {
  return `{"uid":${JSON.stringify(identity.uid)},"umd":${identity.umdJson}}`;
}

export function connectedFrame(
  connection: Identity & {
    readonly connectionId: string;
    readonly connectionSecret: string;
    /** Whole seconds, `Z`: see `utcSeconds`. */
    readonly connectionExpiresAt: string;
  },
): string {
  const { connectionId, connectionExpiresAt, connectionSecret } = connection;
  const data = JSON.stringify({ connectionId, connectionExpiresAt, connectionSecret });
  return `{"event":"hotsock.connected","data":${data},"meta":${metaJson(connection)}}`;
}

function aliasedMetaJson(alias: string | undefined, identity: Identity): string {
  const meta = metaJson(identity);
  return alias === undefined ? meta : `{"channelAlias":${JSON.stringify(alias)},${meta.slice(1)}`;
}

export interface SubscribedFrame {
  readonly channel: string;
  readonly alias?: string;
  readonly identity: Identity;
  readonly autoSubscribed?: boolean;
  /** JSON text of the member list, for presence channels only. */
  readonly membersJson?: string;
  /** Answer to a resume (resume §1). */
  readonly resume?: { readonly complete?: boolean; readonly token?: string };
  /** The connect URL asked to be told where the storage snapshot ends (client-library §7). */
  readonly storage?: boolean;
}

export function subscribedFrame(frame: SubscribedFrame): string {
  const { autoSubscribed, resume, storage } = frame;
  const data = JSON.stringify({ autoSubscribed: autoSubscribed === true || undefined, resume, storage });
  const meta = aliasedMetaJson(frame.alias, frame.identity);
  const dataJson = withMembers(data, frame.membersJson);
  return `{"event":"hotsock.subscribed","channel":${JSON.stringify(frame.channel)},"data":${dataJson},"meta":${meta}}`;
}

function withMembers(objectJson: string, membersJson: string | undefined): string {
  if (membersJson === undefined) return objectJson;
  return `${objectJson.slice(0, -1)}${objectJson === '{}' ? '' : ','}"members":${membersJson}}`;
}

export function unsubscribedFrame(channel: string, alias: string | undefined, identity: Identity): string {
  const meta = alias === undefined ? '' : `,"meta":${aliasedMetaJson(alias, identity)}`;
  return `{"event":"hotsock.unsubscribed","channel":${JSON.stringify(channel)},"data":{}${meta}}`;
}

/** A message up to its `data`, for callers that add the data as bytes; `messageTail` closes it. */
export function messageHead(id: string, event: string, channel: string): string {
  return `{"id":"${id}","event":${JSON.stringify(event)},"channel":${JSON.stringify(channel)},"data":`;
}

/** @param meta JSON text; present iff a client published the message (websocket-protocol §5) */
export function messageTail(meta: string | undefined): string {
  return meta === undefined ? '}' : `,"meta":${meta}}`;
}

/** A whole message; in history `meta` is always given. */
export function messageFrame(message: {
  readonly id: string;
  readonly event: string;
  readonly channel: string;
  readonly dataJson: string;
  readonly metaJson: string | undefined;
}): string {
  return messageHead(message.id, message.event, message.channel) + message.dataJson + messageTail(message.metaJson);
}

/** `meta` is always an object in history; clients read `meta.uid` without looking (client-http-api §3.2). */
const SERVER_META = '{"uid":null,"umd":null}';

/**
 * A stored message in a list of them (client-http-api §3.2, management-api §2).
 *
 * @param message its texts are JSON; `meta` is `null` for a server message
 * @param reactions JSON text of the member; `null` = it is left out
 */
export function historyMessage(
  message: {
    readonly id: string;
    readonly event: string;
    readonly channel: string;
    readonly data: string;
    readonly meta: string | null;
  },
  reactions: string | null,
): string {
  const { id, event, channel, data, meta } = message;
  const entry = messageFrame({ id, event, channel, dataJson: data, metaJson: meta ?? SERVER_META });
  return reactions === null ? entry : `${entry.slice(0, -1)},"reactions":${reactions}}`;
}

export type MemberEvent = 'memberAdded' | 'memberUpdated' | 'memberRemoved';

/**
 * A change of a presence channel's members (websocket-protocol §4).
 *
 * @param memberJson JSON text `{"uid","umd"}` of whom it concerns
 * @param membersJson JSON text of the whole list after the change
 */
export function memberFrame(event: MemberEvent, channel: string, memberJson: string, membersJson: string): string {
  return `{"event":"hotsock.${event}","channel":${JSON.stringify(channel)},"data":{"member":${memberJson},"members":${membersJson}}}`;
}

/** A changed storage entry; `dataJson` is `null` when it was cleared. */
export function storageUpdatedFrame(channel: string, key: string, dataJson: string, metaJson: string): string {
  return storageFrame('hotsock.channelStorageUpdated', channel, key, dataJson, metaJson);
}

/** Answer to a read of a storage entry; both `null` when there is none. */
export function storageDataFrame(channel: string, key: string, entry?: { dataJson: string; metaJson: string }): string {
  return storageFrame('hotsock.channelStorageData', channel, key, entry?.dataJson ?? 'null', entry?.metaJson ?? 'null');
}

/** An entry in a list of them (client-http-api §6, publish-api §11). */
export function storageItem(entry: { readonly key: string; readonly data: string; readonly meta: string }): string {
  return `{"key":${JSON.stringify(entry.key)},"data":${entry.data},"meta":${entry.meta}}`;
}

function storageFrame(event: string, channel: string, key: string, dataJson: string, metaJson: string): string {
  return `{"event":"${event}","channel":${JSON.stringify(channel)},"key":${JSON.stringify(key)},"data":${dataJson},"meta":${metaJson}}`;
}

/** A reaction that was added to or removed from a message. */
export function reactionFrame(reaction: {
  readonly id: string;
  readonly channel: string;
  readonly messageId: string;
  readonly reaction: string;
  readonly action: 'add' | 'remove';
  readonly metaJson: string;
}): string {
  const { id, channel, messageId, action } = reaction;
  const event = `hotsock.messageReaction${action === 'add' ? 'Added' : 'Removed'}`;
  const data = JSON.stringify({ messageId, reaction: reaction.reaction, action });
  return messageFrame({ id, event, channel, dataJson: data, metaJson: reaction.metaJson });
}

export const KEEP_ALIVE_FRAME = '{"event":"hotsock.keepAlive","data":{}}';

/** `data` is the two-character string: the documented literal (websocket-protocol O1). */
export const PONG_FRAME = '{"event":"hotsock.pong","data":"{}"}';

/**
 * Tells that messages are missing which can no longer be had (resume §4).
 *
 * @param after id of the last message that the client was sent, `null` for none
 * @param before id of the first message that is there again, `null` when it is not known
 */
export function messagesMissedFrame(channel: string, after: string | null, before: string | null): string {
  return `{"event":"hotsock.messagesMissed","channel":${JSON.stringify(channel)},"data":${JSON.stringify({ after, before })}}`;
}

/** What became of a client's message with a `ref` (client-library §6). */
export interface PublishedFrame {
  readonly channel: string;
  readonly ref: string;
  /** `null` when it is not known yet, and of what is due later. */
  readonly id: string | null;
  readonly position?: string;
  readonly scheduleArn?: string;
  readonly duplicate?: boolean;
}

export function publishedFrame({ channel, ref, ...data }: PublishedFrame): string {
  const { id, position, scheduleArn, duplicate } = data;
  const dataJson = JSON.stringify({ id, position, scheduleArn, duplicate: duplicate === true || undefined });
  return `{"event":"hotsock.published","channel":${JSON.stringify(channel)},"ref":${JSON.stringify(ref)},"data":${dataJson}}`;
}

/** Ends a storage snapshot, for subscribers that asked for it (client-library §7). */
export function storageSyncedFrame(channel: string): string {
  return `{"event":"hotsock.channelStorageSynced","channel":${JSON.stringify(channel)},"data":{}}`;
}

/** Why a connection is ended, for clients that see no close code (management-api §6). */
export type EndCode = 'DISCONNECTED' | 'TOKEN_REVOKED' | 'TOKEN_EXPIRED' | 'RATE_LIMITED';

/**
 * @param channel the name as the client sent it; absent where the request had no usable one
 * @param ref the request's, where it had one
 * @param limited of a limit that stands in the way (limits §3)
 */
export function errorFrame(
  code: ErrorCode | EndCode,
  message: string,
  channel: string | undefined,
  ref?: string,
  limited?: LimitDetails,
): string {
  const echoed = channel === undefined ? '' : `"channel":${JSON.stringify(channel)},`;
  const named = ref === undefined ? '' : `"ref":${JSON.stringify(ref)},`;
  return `{"event":"hotsock.error",${echoed}${named}"error":${JSON.stringify({ code, message, ...limited })}}`;
}

/** RFC 3339 UTC with the milliseconds that there are, e.g. `2026-01-01T02:00:00.4Z` is `2026-01-01T02:00:00.400Z`. */
export function utcInstant(timeMs: number): string {
  return new Date(timeMs).toISOString().replace('.000Z', 'Z');
}

/** RFC 3339 UTC with whole seconds, e.g. `2026-01-01T02:00:00Z`. */
export function utcSeconds(timeMs: number): string {
  return new Date(timeMs).toISOString().replace(/\.\d{3}Z$/, 'Z');
}
