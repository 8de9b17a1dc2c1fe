import { isUtf8 } from 'node:buffer';
import { ProtocolError } from './errors';
import { elementsOf, exceedsCompactBytes, memberText, tooDeep } from './json-text';
import { JsonObject, typedMember } from './json-text-members';
import { parseScalars } from './large-object';
import {
  MAX_BATCH_DOCUMENTS,
  MAX_DATA_BYTES,
  MAX_JSON_DEPTH,
  MAX_STORAGE_KEYS,
  MAX_STORE_SECONDS,
  MAX_UMD_BYTES,
} from './limits';
import {
  channelNameProblem,
  deduplicationIdProblem,
  eventNameProblem,
  RESERVED_PREFIX,
  storageKeyProblem,
  uidProblem,
} from './names';
import { ReactionRequest, reactionRequest } from './reaction-request';
import { scheduledMs } from './schedule-expression';
import { unknownFieldError, UnknownFields, unknownNames } from './unknown-fields';

/** A message as a publisher asked for it: valid, not yet sequenced (publish-api §3). */
export interface PublishRequest {
  readonly channel: string;
  readonly event: string;
  /** JSON text exactly as published; `null` when the request had none. */
  readonly data: string;
  readonly deduplicationId?: string;
  readonly eagerIdGeneration: boolean;
  readonly emitPubSubEvent: boolean;
  /** Seconds to keep the message or the storage entry; 0 = not stored, -1 = for ever. */
  readonly store: number;
  /** Storage entry that is set, for `hotsock.channelStorageSet`. */
  readonly key?: string;
  /** For `hotsock.messageReaction`. */
  readonly reaction?: ServerReaction;
  /** When it is due, ms since 1970; absent = now. */
  readonly dueMs?: number;
  /** Members that mean nothing here and were left out; absent when there are none. */
  readonly unknownNames?: readonly string[];
}

/** A reaction that a server asks for, in the name of a user or in its own (publish-api §8). */
export interface ServerReaction extends ReactionRequest {
  readonly uid: string | null;
  /** JSON text. */
  readonly umdJson: string;
}

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

const SCALAR_FIELDS: ReadonlySet<string> = new Set(MEMBER_TYPES.map(([name]) => name));
/** Everything that a message document may hold (publish-api §3). */
export const MESSAGE_FIELDS: ReadonlySet<string> = new Set(['data', ...SCALAR_FIELDS]);

/** Some programs begin a text with it (RFC 8259 §8.1). */
export const BYTE_ORDER_MARK = 0xfeff;

/**
 * Text of a request body, without the byte order mark that some programs write (RFC 8259 §8.1).
 *
 * @throws ProtocolError `MALFORMED_MESSAGE` when the bytes are not UTF-8.
 */
export function bodyText(body: Uint8Array): string {
  if (!isUtf8(body)) throw new ProtocolError('MALFORMED_MESSAGE', 'the body must be JSON in UTF-8');
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8');
  return text.charCodeAt(0) === BYTE_ORDER_MARK ? text.slice(1) : text;
}

/** A channel's name; throws `INVALID_CHANNEL`. */
export function checkedChannel(name: string): string {
  const problem = channelNameProblem(name);
  if (problem !== undefined) throw new ProtocolError('INVALID_CHANNEL', problem);
  return name;
}

/** The channel name of a request; throws `MISSING_FIELD` or `INVALID_CHANNEL`. */
export function requiredChannel(object: JsonObject): string {
  const channel = typedMember(object, 'channel', 'string');
  if (channel === undefined) throw new ProtocolError('MISSING_FIELD', 'channel is required');
  return checkedChannel(channel);
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

export const STORAGE_SET_EVENT = 'hotsock.channelStorageSet';
export const REACTION_EVENT = 'hotsock.messageReaction';

/** Refuses reserved event names but `allowed`, which have a meaning at this door (publish-api §8). */
export function refuseReservedEvent(event: string, allowed: readonly string[]): void {
  if (!event.startsWith(RESERVED_PREFIX) || allowed.includes(event)) return;
  throw new ProtocolError('INVALID_EVENT', `event must not start with ${RESERVED_PREFIX}`);
}

/** The storage key of a request; throws `INVALID_STORAGE_KEY`. */
export function requiredStorageKey(object: JsonObject): string {
  const key = typedMember(object, 'key', 'string');
  if (key === undefined) throw new ProtocolError('INVALID_STORAGE_KEY', 'key is required');
  return checkedStorageKey(key);
}

/** A string that must be a storage key; throws `INVALID_STORAGE_KEY`, which names the field. */
export function checkedStorageKey(key: string, field = 'key'): string {
  const problem = storageKeyProblem(key);
  if (problem !== undefined) throw new ProtocolError('INVALID_STORAGE_KEY', problem.replace(/^key/, field));
  return key;
}

/** Storage keys of one request, of which there may be 100; throws `INVALID_STORAGE_KEY`. */
export function checkedStorageKeys(keys: readonly string[]): readonly string[] {
  if (keys.length > MAX_STORAGE_KEYS) {
    throw new ProtocolError('INVALID_STORAGE_KEY', `keys must be at most ${MAX_STORAGE_KEYS}`);
  }
  return keys.map((key, index) => checkedStorageKey(key, `keys[${index}]`));
}

function serverReaction(data: string): ServerReaction {
  const request = reactionRequest(data);
  const { uid } = JSON.parse(data) as { uid?: unknown };
  if (uid != null && typeof uid !== 'string') throw new ProtocolError('INVALID_REACTION', 'data.uid must be a string');
  const problem = uidProblem(uid ?? '', 'data.uid');
  if (problem !== undefined) throw new ProtocolError('INVALID_REACTION', problem);
  const umd = memberText(data, 'umd')?.text ?? 'null';
  if (exceedsCompactBytes(umd, MAX_UMD_BYTES)) {
    throw new ProtocolError('INVALID_REACTION', `data.umd must be at most ${MAX_UMD_BYTES} bytes of compact JSON`);
  }
  return { ...request, uid: uid == null || uid === '' ? null : uid, umdJson: umd };
}

/** A message is not stored unless told so; a storage entry is kept for ever unless told otherwise, and 0 makes no sense. */
function storeSeconds(object: JsonObject, isStorage: boolean): number {
  const store = typedMember(object, 'store', 'number') ?? (isStorage ? -1 : 0);
  if (!Number.isInteger(store) || store < -1 || store > MAX_STORE_SECONDS || (isStorage && store === 0)) {
    throw new ProtocolError(
      'INVALID_STORE',
      `store must be an integer: ${isStorage ? '' : '0, '}-1, or 1 to ${MAX_STORE_SECONDS} seconds`,
    );
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

/** Members that mean nothing without another one (publish-api §3). */
function isIgnored(name: string, { event, scheduleExpression }: JsonObject): boolean {
  if (name === 'key') return event !== STORAGE_SET_EVENT;
  return name === 'scheduleExpressionTimezone' && scheduleExpression == null;
}

function publishRequest(
  text: string,
  object: JsonObject,
  now: () => number,
  unknownFields: UnknownFields,
): PublishRequest {
  const unknown = unknownNames(object, MESSAGE_FIELDS);
  // First of all: a misspelt member is often the one that is said to be missing.
  if (unknown?.[0] !== undefined && unknownFields === 'refuse') throw unknownFieldError(unknown[0], MESSAGE_FIELDS);
  for (const [name, type] of MEMBER_TYPES) if (!isIgnored(name, object)) typedMember(object, name, type);
  if (object.channel == null) throw new ProtocolError('MISSING_FIELD', 'channel is required');
  if (object.event == null || object.event === '') throw new ProtocolError('MISSING_FIELD', 'event is required');
  const channel = requiredChannel(object);
  const event = requiredEvent(object);
  refuseReservedEvent(event, [STORAGE_SET_EVENT, REACTION_EVENT]);
  const isStorage = event === STORAGE_SET_EVENT;
  const data = dataText(text);
  const reaction = event === REACTION_EVENT ? serverReaction(data) : undefined;
  const deduplication = deduplicationId(object);
  const store = storeSeconds(object, isStorage);
  const key = isStorage ? requiredStorageKey(object) : undefined;
  const dueMs = scheduledMs(object, now);
  if (reaction !== undefined && dueMs !== undefined) {
    throw new ProtocolError('INVALID_SCHEDULE', 'scheduleExpression: reactions cannot be scheduled');
  }
  // Written out: on the hottest path, a spread costs several times as much as the whole object.
  return {
    channel,
    event,
    data,
    deduplicationId: deduplication,
    eagerIdGeneration: object.eagerIdGeneration === true,
    emitPubSubEvent: object.emitPubSubEvent === true,
    store,
    key,
    reaction,
    dueMs,
    unknownNames: unknown,
  };
}

/**
 * The message document of `POST /publish` and of a Lambda invocation (publish-api §3, order of checks §9).
 *
 * @param now this instant for the whole installation, ms since 1970: what is scheduled must lie behind it
 * @param unknownFields whether unknown members are told (`unknownNames`) or are an error
 * @throws ProtocolError naming the first offending field
 */
export function parsePublishRequest(
  body: Uint8Array,
  now: () => number,
  unknownFields: UnknownFields = 'warn',
): PublishRequest {
  const text = bodyText(body);
  return publishRequest(text, parseScalars(text, 'the body', SCALAR_FIELDS), now, unknownFields);
}

/** Everything of a document but `data`; far more than the names may have. */
const MAX_ENVELOPE_BYTES = 16_384;

/**
 * The documents of `POST /publish/batch` as written, 1 to 100 of them, each found when it is asked for: 4 MiB of JSON are looked at
 * in pieces (`parseBatchDocument` is the other half), so that nobody has to wait for all of it.
 *
 * @param maxBytes of a body that comes alone
 * @throws ProtocolError with `index` when it is about one of them; it refuses the batch
 */
export function* batchDocuments(body: Uint8Array, maxBytes: number): Generator<string, void> {
  const most = maxBytes + MAX_ENVELOPE_BYTES;
  const elements = elementsOf(bodyText(body), most);
  for (let index = 0; ; index++) {
    const { done, value } = elements.next();
    if (done === true && !value)
      throw new ProtocolError('MALFORMED_MESSAGE', 'the body must be a JSON array of documents');
    if (done === true ? index === 0 : index === MAX_BATCH_DOCUMENTS) {
      throw new ProtocolError('MALFORMED_MESSAGE', `a batch must hold 1 to ${MAX_BATCH_DOCUMENTS} documents`);
    }
    if (done === true) return;
    if (Buffer.byteLength(value) > most) throw tooLarge(value, index, most);
    yield value;
  }
}

function tooLarge(document: string, index: number, most: number): ProtocolError {
  return document.startsWith('{')
    ? new ProtocolError('PAYLOAD_TOO_LARGE', `a document must be at most ${most} bytes`, { index })
    : new ProtocolError('MALFORMED_MESSAGE', 'a document must be a JSON object', { index });
}

/**
 * @param index of the document in its batch
 * @param now this instant for the whole installation, ms since 1970
 * @throws ProtocolError with that index; it refuses the batch
 */
export function parseBatchDocument(
  document: string,
  index: number,
  now: () => number,
  unknownFields: UnknownFields = 'warn',
): PublishRequest {
  try {
    return publishRequest(document, parseScalars(document, 'a document', SCALAR_FIELDS), now, unknownFields);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new ProtocolError(error.code, error.message, { index });
  }
}
