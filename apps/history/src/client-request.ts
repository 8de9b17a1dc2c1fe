import {
  bodyText,
  checkedStorageKey,
  checkedStorageKeys,
  dataText,
  isUlid,
  JsonObject,
  typeName,
  parseJsonObject,
  ProtocolError,
  REACTION_EVENT,
  ReactionRequest,
  reactionRequest,
  refuseReservedEvent,
  requiredChannel,
  requiredEvent,
  requiredStorageKey,
  scheduledMs,
  typedMember,
} from '@hearth/protocol';
import { installationNow } from '@hearth/timing';
import type { ConnectionCredentials } from '@hearth/stream';
import { createParamDecorator, ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';

/** Requests of the client HTTP API, parsed from what the client sent (client-http-api §1–§4, §6). */

export interface ListMessagesRequest {
  /** May be an alias. */
  readonly channel: string;
  readonly after?: string;
  readonly before?: string;
  readonly reverse: boolean;
  readonly expandReactions: boolean;
}

export interface ListReactionsRequest {
  /** May be an alias. */
  readonly channel: string;
  /** ULID, upper case. */
  readonly messageId: string;
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
  /** For `hotsock.messageReaction`. */
  readonly reaction?: ReactionRequest;
}

/** Parameter of a controller's method: the credentials that came with the request (client-http-api §1). */
export const Credentials = createParamDecorator((_: unknown, context: ExecutionContext) =>
  connectionCredentials(context.switchToHttp().getRequest<FastifyRequest>().raw.url ?? ''),
);

/**
 * The credentials in the query of a request target. Ids end in `=`, which arrives bare or percent-encoded.
 *
 * @throws ProtocolError `UNAUTHORIZED`
 */
function connectionCredentials(requestTarget: string): ConnectionCredentials {
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
  const expandReactions = typedMember(object, 'expandReactions', 'boolean') ?? false;
  return {
    channel,
    reverse,
    after: reverse ? undefined : after,
    before: reverse ? before : undefined,
    expandReactions,
  };
}

/** @throws ProtocolError naming the first offending member */
export function parseListReactions(body: Uint8Array): ListReactionsRequest {
  const object = parseJsonObject(textOf(body), 'the body');
  const channel = requiredChannel(object);
  const messageId = cursor(object, 'messageId');
  if (messageId === undefined) throw new ProtocolError('MISSING_FIELD', 'messageId is required');
  return { channel, messageId };
}

/** @throws ProtocolError naming the first offending member */
export function parseGetChannelInfo(body: Uint8Array): { readonly channel: string } {
  return { channel: requiredChannel(parseJsonObject(textOf(body), 'the body')) };
}

/** @throws ProtocolError naming the first offending member; a token that is no text is no token */
export function parseUmdUpdate(body: Uint8Array): { readonly channel?: string; readonly token: string } {
  const object = parseJsonObject(textOf(body), 'the body');
  const { token } = object;
  if (token == null) throw new ProtocolError('MISSING_FIELD', 'token is required');
  if (typeof token !== 'string') throw new ProtocolError('INVALID_UMD_TOKEN', 'token must be a string');
  return object.channel == null ? { token } : { token, channel: requiredChannel(object) };
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
  const dueMs = scheduledMs(object, installationNow);
  const reaction = event === REACTION_EVENT ? reactionRequest(data) : undefined;
  if (reaction !== undefined && dueMs !== undefined) {
    throw new ProtocolError('INVALID_SCHEDULE', 'scheduleExpression: reactions cannot be scheduled');
  }
  return { channel, event, data, eagerIdGeneration, dueMs, reaction };
}

export interface StorageKeyRequest {
  /** May be an alias. */
  readonly channel: string;
  readonly key: string;
}

/** @throws ProtocolError naming the first offending member */
export function parseStorageGet(body: Uint8Array): StorageKeyRequest {
  return storageKey(parseJsonObject(textOf(body), 'the body'));
}

export interface StorageSetRequest extends StorageKeyRequest {
  /** JSON text as sent. */
  readonly data: string;
  /** When it is due, ms since 1970; absent = now. */
  readonly dueMs?: number;
}

/** @throws ProtocolError naming the first offending member */
export function parseStorageSet(body: Uint8Array): StorageSetRequest {
  const text = textOf(body);
  const object = parseJsonObject(text, 'the body');
  return { ...storageKey(object), data: dataText(text), dueMs: scheduledMs(object, installationNow) };
}

function storageKey(object: JsonObject): StorageKeyRequest {
  return { channel: requiredChannel(object), key: requiredStorageKey(object) };
}

export interface StorageListRequest {
  /** May be an alias. */
  readonly channel: string;
  readonly keys?: readonly string[];
  readonly after?: string;
}

/** @throws ProtocolError naming the first offending member */
export function parseStorageList(body: Uint8Array): StorageListRequest {
  const object = parseJsonObject(textOf(body), 'the body');
  const channel = requiredChannel(object);
  const keys = object.keys == null ? undefined : checkedStorageKeys(stringArray(object.keys, 'keys'));
  const after = typedMember(object, 'after', 'string');
  return { channel, keys, after: after === undefined || after === '' ? undefined : checkedStorageKey(after, 'after') };
}

function stringArray(value: unknown, name: string): readonly string[] {
  if (!Array.isArray(value)) {
    throw new ProtocolError('INVALID_TYPE', `${name} must be an array, got ${typeName(value)}`);
  }
  const other: unknown = value.find((element) => typeof element !== 'string');
  if (value.some((element) => typeof element !== 'string')) {
    throw new ProtocolError('INVALID_TYPE', `${name} must hold strings, got ${typeName(other)}`);
  }
  return value as string[];
}
