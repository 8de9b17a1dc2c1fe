import {
  bodyText,
  dataText,
  isUlid,
  parseJsonObject,
  ProtocolError,
  REACTION_EVENT,
  refuseReservedEvent,
  requiredChannel,
  requiredEvent,
  scheduledMs,
  typedMember,
} from '@hearth/protocol';
import type { ConnectionCredentials } from '@hearth/stream';

/** Requests of the client HTTP API, parsed from what the client sent (client-http-api §1–§4). */

export interface ListMessagesRequest {
  /** May be an alias. */
  readonly channel: string;
  readonly after?: string;
  readonly before?: string;
  readonly reverse: boolean;
}

export interface PublishMessageRequest {
  /** May be an alias. */
  readonly channel: string;
  readonly event: string;
  /** JSON text as sent. */
  readonly data: string;
  readonly eagerIdGeneration: boolean;
  /** When it is due, ms since 1970; absent = now. */
  readonly dueMs?: number;
}

/**
 * The credentials in the query of a request target. Ids end in `=`, which arrives bare or percent-encoded.
 *
 * @throws ProtocolError `UNAUTHORIZED`
 */
export function connectionCredentials(requestTarget: string): ConnectionCredentials {
  const query = new URLSearchParams(requestTarget.slice(requestTarget.indexOf('?') + 1));
  const connectionId = query.get('connectionId');
  const connectionSecret = query.get('connectionSecret');
  if (connectionId === null || connectionId === '' || connectionSecret === null || connectionSecret === '') {
    throw new ProtocolError('UNAUTHORIZED', 'connectionId and connectionSecret are required in the query');
  }
  return { connectionId, connectionSecret };
}

/** An empty body counts as `{}` (client-http-api §1). */
function textOf(body: Uint8Array): string {
  return body.length === 0 ? '{}' : bodyText(body);
}

/** @throws ProtocolError naming the first offending member */
export function parseListMessages(body: Uint8Array): ListMessagesRequest {
  const object = parseJsonObject(textOf(body), 'the body');
  const channel = requiredChannel(object);
  const after = cursor(object, 'after');
  const before = cursor(object, 'before');
  const reverse = typedMember(object, 'reverse', 'boolean') ?? false;
  if (typedMember(object, 'expandReactions', 'boolean') === true) {
    throw new ProtocolError('NOT_IMPLEMENTED', 'expandReactions: reactions are not available yet');
  }
  return { channel, reverse, after: reverse ? undefined : after, before: reverse ? before : undefined };
}

function cursor(object: Readonly<Record<string, unknown>>, name: string): string | undefined {
  const value = typedMember(object, name, 'string');
  if (value === undefined) return undefined;
  if (!isUlid(value)) throw new ProtocolError('INVALID_TYPE', `${name} must be a message id`);
  return value.toUpperCase();
}

/** @throws ProtocolError naming the first offending member */
export function parsePublishMessage(body: Uint8Array): PublishMessageRequest {
  const text = textOf(body);
  const object = parseJsonObject(text, 'the body');
  const channel = requiredChannel(object);
  const event = requiredEvent(object);
  refuseReservedEvent(event, [REACTION_EVENT]);
  const data = dataText(text);
  const eagerIdGeneration = typedMember(object, 'eagerIdGeneration', 'boolean') ?? false;
  const dueMs = scheduledMs(object, Date.now());
  if (dueMs !== undefined || event === REACTION_EVENT) {
    throw new ProtocolError('NOT_IMPLEMENTED', `event: ${event} and scheduling are not available yet`);
  }
  return { channel, event, data, eagerIdGeneration, dueMs };
}
