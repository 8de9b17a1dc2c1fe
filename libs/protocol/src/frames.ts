import { ErrorCode } from './errors';

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
  const data = {
    connectionId: connection.connectionId,
    connectionExpiresAt: connection.connectionExpiresAt,
    connectionSecret: connection.connectionSecret,
  };
  return `{"event":"hotsock.connected","data":${JSON.stringify(data)},"meta":${metaJson(connection)}}`;
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
  /** Answer to a resume (websocket-protocol §12). */
  readonly resume?: { readonly complete: boolean };
}

export function subscribedFrame(frame: SubscribedFrame): string {
  const data = {
    ...(frame.autoSubscribed === true ? { autoSubscribed: true } : {}),
    ...(frame.resume === undefined ? {} : { resume: frame.resume }),
  };
  const meta = aliasedMetaJson(frame.alias, frame.identity);
  return `{"event":"hotsock.subscribed","channel":${JSON.stringify(frame.channel)},"data":${JSON.stringify(data)},"meta":${meta}}`;
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

export const KEEP_ALIVE_FRAME = '{"event":"hotsock.keepAlive","data":{}}';

/** `data` is the two-character string: the documented literal (websocket-protocol O1). */
export const PONG_FRAME = '{"event":"hotsock.pong","data":"{}"}';

/** @param channel the name as the client sent it; absent where the request had no usable one */
export function errorFrame(code: ErrorCode, message: string, channel: string | undefined): string {
  const echoed = channel === undefined ? '' : `"channel":${JSON.stringify(channel)},`;
  return `{"event":"hotsock.error",${echoed}"error":${JSON.stringify({ code, message })}}`;
}

/** RFC 3339 UTC with whole seconds, e.g. `2026-01-01T02:00:00Z`. */
export function utcSeconds(timeMs: number): string {
  return new Date(timeMs).toISOString().replace(/\.\d{3}Z$/, 'Z');
}
