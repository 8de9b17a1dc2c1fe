import { isUtf8 } from 'node:buffer';
import { ProtocolError } from './errors';
import { elementTexts, exceedsCompactBytes, jsonType, memberText, tooDeep, withArticle } from './json-text';
import { MAX_BATCH_DOCUMENTS, MAX_DATA_BYTES, MAX_JSON_DEPTH, MAX_STORE_SECONDS } from './limits';
import { channelNameProblem, deduplicationIdProblem, eventNameProblem, RESERVED_PREFIX } from './names';

/** A message as a publisher asked for it: valid, not yet sequenced (publish-api §3). */
export interface PublishRequest {
  readonly channel: string;
  readonly event: string;
  /** JSON text exactly as published; `null` when the request had none. */
  readonly data: string;
  readonly deduplicationId?: string;
  readonly eagerIdGeneration: boolean;
  readonly emitPubSubEvent: boolean;
  /** Seconds to keep the message; 0 = not stored, -1 = for ever. */
  readonly store: number;
}

type JsonObject = Readonly<Record<string, unknown>>;

/** Expected JSON type of each known member, in the order in which failures are reported (publish-api §3, §9). */
const MEMBER_TYPES: readonly (readonly [name: string, type: 'string' | 'boolean' | 'number'])[] = [
  ['channel', 'string'],
  ['event', 'string'],
  ['deduplicationId', 'string'],
  ['eagerIdGeneration', 'boolean'],
  ['emitPubSubEvent', 'boolean'],
  ['store', 'number'],
  ['key', 'string'],
  ['scheduleExpression', 'string'],
  ['scheduleExpressionTimezone', 'string'],
];

/**
 * Text of a request body.
 *
 * @throws ProtocolError `MALFORMED_MESSAGE` when the bytes are not UTF-8.
 */
export function bodyText(body: Uint8Array): string {
  if (!isUtf8(body)) throw new ProtocolError('MALFORMED_MESSAGE', 'the body must be JSON in UTF-8');
  return Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8');
}

function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new ProtocolError('MALFORMED_MESSAGE', `${what} must be valid JSON`);
  }
}

/**
 * Parses text that must hold one JSON object.
 *
 * @param what how error texts call it, e.g. `the body`
 * @throws ProtocolError `MALFORMED_MESSAGE`
 */
export function parseJsonObject(text: string, what: string): JsonObject {
  return asObject(parseJson(text, what), what);
}

function asObject(value: unknown, what: string): JsonObject {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw new ProtocolError('MALFORMED_MESSAGE', `${what} must be a JSON object, got ${withArticle(jsonType(value))}`);
  }
  return value as JsonObject;
}

/**
 * A member that must be of one JSON type; missing and `null` give `undefined`.
 *
 * @throws ProtocolError `INVALID_TYPE`
 */
export function typedMember(object: JsonObject, name: string, type: 'string'): string | undefined;
export function typedMember(object: JsonObject, name: string, type: 'boolean'): boolean | undefined;
export function typedMember(object: JsonObject, name: string, type: 'number'): number | undefined;
export function typedMember(object: JsonObject, name: string, type: string): unknown;
export function typedMember(object: JsonObject, name: string, type: string): unknown {
  const value = object[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== type) {
    throw new ProtocolError(
      'INVALID_TYPE',
      `${name} must be ${withArticle(type)}, got ${withArticle(jsonType(value))}`,
    );
  }
  return value;
}

/** The channel name of a request; throws `MISSING_FIELD` or `INVALID_CHANNEL`. */
export function requiredChannel(object: JsonObject): string {
  const channel = typedMember(object, 'channel', 'string');
  if (channel === undefined) throw new ProtocolError('MISSING_FIELD', 'channel is required');
  const problem = channelNameProblem(channel);
  if (problem !== undefined) throw new ProtocolError('INVALID_CHANNEL', problem);
  return channel;
}

/** The event name of a message that is neither missing nor reserved; throws `MISSING_FIELD` or `INVALID_EVENT`. */
export function requiredEvent(object: JsonObject): string {
  const event = typedMember(object, 'event', 'string');
  if (event === undefined || event === '') throw new ProtocolError('MISSING_FIELD', 'event is required');
  const problem = eventNameProblem(event);
  if (problem !== undefined) throw new ProtocolError('INVALID_EVENT', problem);
  return event;
}

/** `data` as written, `null` without one; throws `DATA_TOO_LARGE` or, for excessive nesting, `MALFORMED_MESSAGE`. */
export function dataText(text: string): string {
  const slice = memberText(text, 'data');
  if (slice === undefined) return 'null';
  if (exceedsCompactBytes(slice.text, MAX_DATA_BYTES)) {
    throw new ProtocolError('DATA_TOO_LARGE', `data must be at most ${MAX_DATA_BYTES} bytes of compact JSON`);
  }
  if (tooDeep(slice)) {
    throw new ProtocolError('MALFORMED_MESSAGE', `data must be nested at most ${MAX_JSON_DEPTH} levels deep`);
  }
  return slice.text;
}

/** Refuses the members of features that this version does not offer, so that none is accepted silently. */
export function refuseScheduling(object: JsonObject): void {
  if (typedMember(object, 'scheduleExpression', 'string') !== undefined) {
    throw new ProtocolError('NOT_IMPLEMENTED', 'scheduleExpression: scheduled messages are not available yet');
  }
}

/** Reserved events a server may publish (publish-api §8); their features are not available yet. */
const SERVER_RESERVED_EVENTS = new Set(['hotsock.channelStorageSet', 'hotsock.messageReaction']);

/** Refuses reserved event names; `allowed` are those with a meaning at this door. */
export function refuseReservedEvent(event: string, allowed: ReadonlySet<string>): void {
  if (!event.startsWith(RESERVED_PREFIX)) return;
  if (allowed.has(event)) throw new ProtocolError('NOT_IMPLEMENTED', `event: ${event} is not available yet`);
  throw new ProtocolError('INVALID_EVENT', `event must not start with ${RESERVED_PREFIX}`);
}

function storeSeconds(object: JsonObject): number {
  const store = typedMember(object, 'store', 'number') ?? 0;
  if (!Number.isInteger(store) || store < -1 || store > MAX_STORE_SECONDS) {
    throw new ProtocolError('INVALID_STORE', `store must be an integer: 0, -1, or 1 to ${MAX_STORE_SECONDS} seconds`);
  }
  return store;
}

function deduplicationId(object: JsonObject): string | undefined {
  const id = typedMember(object, 'deduplicationId', 'string');
  if (id === undefined || id === '') return undefined;
  const problem = deduplicationIdProblem(id);
  if (problem !== undefined) throw new ProtocolError('INVALID_DEDUPLICATION_ID', problem);
  return id;
}

function publishRequest(text: string, object: JsonObject): PublishRequest {
  for (const [name, type] of MEMBER_TYPES) typedMember(object, name, type);
  if (object.channel == null) throw new ProtocolError('MISSING_FIELD', 'channel is required');
  if (object.event == null || object.event === '') throw new ProtocolError('MISSING_FIELD', 'event is required');
  const channel = requiredChannel(object);
  const event = requiredEvent(object);
  if (event.startsWith(RESERVED_PREFIX) && !SERVER_RESERVED_EVENTS.has(event)) {
    refuseReservedEvent(event, SERVER_RESERVED_EVENTS);
  }
  const data = dataText(text);
  const request = {
    channel,
    event,
    data,
    deduplicationId: deduplicationId(object),
    eagerIdGeneration: object.eagerIdGeneration === true,
    emitPubSubEvent: object.emitPubSubEvent === true,
    store: storeSeconds(object),
  };
  refuseReservedEvent(event, SERVER_RESERVED_EVENTS);
  refuseScheduling(object);
  return request;
}

/**
 * The message document of `POST /publish` and of a Lambda invocation (publish-api §3, order of checks §9).
 *
 * @throws ProtocolError naming the first offending field
 */
export function parsePublishRequest(body: Uint8Array): PublishRequest {
  const text = bodyText(body);
  return publishRequest(text, parseJsonObject(text, 'the body'));
}

/**
 * The documents of `POST /publish/batch`, 1 to 100 of them; one invalid document refuses the batch.
 *
 * @throws ProtocolError with `index` set to the position of the offending document
 */
export function parsePublishBatch(body: Uint8Array): PublishRequest[] {
  const text = bodyText(body);
  const value = parseJson(text, 'the body');
  if (!Array.isArray(value)) {
    throw new ProtocolError('MALFORMED_MESSAGE', `the body must be a JSON array, got ${withArticle(jsonType(value))}`);
  }
  if (value.length < 1 || value.length > MAX_BATCH_DOCUMENTS) {
    throw new ProtocolError('MALFORMED_MESSAGE', `a batch must hold 1 to ${MAX_BATCH_DOCUMENTS} documents`);
  }
  return elementTexts(text).map((element, index) => {
    try {
      return publishRequest(element, asObject(value[index], 'a document'));
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      throw new ProtocolError(error.code, error.message, { index });
    }
  });
}
