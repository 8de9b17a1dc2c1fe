import { ErrorCode, ProtocolError } from './errors';
import { eventNameProblem, RESERVED_PREFIX } from './names';
import { JsonObject, parseJsonObject, typedMember } from './json-text-members';
import {
  BYTE_ORDER_MARK,
  dataText,
  REACTION_EVENT,
  requiredChannel,
  requiredStorageKey,
  STORAGE_SET_EVENT,
} from './publish-request';
import { ReactionRequest, reactionRequest } from './reaction-request';
import { messageIdMember, ResumePoint, resumePoint, storageMember } from './resume-point';
import { scheduledMs } from './schedule-expression';

/** What a client asked for over its socket (websocket-protocol §3). `channel` may still be an alias. */
export type ClientFrame =
  | {
      readonly kind: 'subscribe';
      readonly channel: string;
      readonly token?: string;
      /** Resumes in the old way (resume §5); absent when `resume` is there. */
      readonly after?: string;
      readonly resume?: ResumePoint;
      /** It wants to be told where the storage snapshot ends (client-library §7). */
      readonly storage?: boolean;
    }
  | { readonly kind: 'unsubscribe'; readonly channel: string }
  | {
      readonly kind: 'message';
      readonly channel: string;
      readonly event: string;
      /** JSON text. */
      readonly data: string;
      /** When it is due, ms since 1970; absent = now. */
      readonly dueMs?: number;
      readonly ref?: string;
    }
  | {
      readonly kind: 'storageSet';
      readonly channel: string;
      readonly key: string;
      /** JSON text. */
      readonly data: string;
      readonly dueMs?: number;
      readonly ref?: string;
    }
  | { readonly kind: 'storageGet'; readonly channel: string; readonly key: string }
  | ({ readonly kind: 'reaction'; readonly channel: string; readonly ref?: string } & ReactionRequest)
  /** Without a channel: the connection's. */
  | { readonly kind: 'umdUpdate'; readonly channel?: string; readonly token: string }
  | { readonly kind: 'ping' }
  | { readonly kind: 'pong' }
  | { readonly kind: 'heartbeat' };

/** A refused frame; `channel` and `ref` are echoed in the error as the client sent them, where it sent usable ones. */
export class ClientFrameError extends ProtocolError {
  constructor(
    code: ErrorCode,
    message: string,
    readonly channel: string | undefined,
    readonly ref: string | undefined,
  ) {
    super(code, message);
  }
}

/**
 * Parses one frame of a client.
 *
 * @param text the whole message, already known to be UTF-8
 * @param now this instant for the whole installation, ms since 1970: what is scheduled must lie behind it
 * @throws ClientFrameError (websocket-protocol §6)
 */
export function parseClientFrame(text: string, now: () => number): ClientFrame {
  let channel: string | undefined;
  let ref: string | undefined;
  try {
    if (text.charCodeAt(0) === BYTE_ORDER_MARK) text = text.slice(1);
    const object = parseJsonObject(text, 'the message');
    if (typeof object.channel === 'string') channel = object.channel;
    if (object.ref !== undefined && !WITHOUT_REF.has(object.event as string)) ref = refOf(object);
    return clientFrame(text, object, ref, now);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new ClientFrameError(error.code, error.message, channel, ref);
  }
}

const REF = /^[A-Za-z0-9_-]{1,64}$/;

/** Events of which no answer is told apart by a `ref` (client-library §6): there it is ignored. */
const WITHOUT_REF = new Set([
  'hotsock.ping',
  'hotsock.pong',
  'hotsock.heartbeat',
  'hotsock.subscribe',
  'hotsock.unsubscribe',
  'hotsock.channelStorageGet',
  'hotsock.umdUpdate',
]);

/** @throws ProtocolError `INVALID_TYPE` */
function refOf(object: JsonObject): string | undefined {
  const ref = typedMember(object, 'ref', 'string');
  if (ref === undefined || REF.test(ref)) return ref;
  throw new ProtocolError('INVALID_TYPE', 'ref must be 1 to 64 letters, digits, hyphens or underscores');
}

function clientFrame(text: string, object: JsonObject, ref: string | undefined, now: () => number): ClientFrame {
  const event = typedMember(object, 'event', 'string');
  if (event === undefined || event === '') throw new ProtocolError('MISSING_FIELD', 'event is required');
  typedMember(object, 'channel', 'string');
  switch (event) {
    case 'hotsock.ping':
      return { kind: 'ping' };
    case 'hotsock.pong':
      return { kind: 'pong' };
    case 'hotsock.heartbeat':
      return { kind: 'heartbeat' };
    case 'hotsock.subscribe':
      return subscribe(requiredChannel(object), object.data);
    case 'hotsock.unsubscribe':
      return { kind: 'unsubscribe', channel: requiredChannel(object) };
    case STORAGE_SET_EVENT:
      return storageSet(text, object, ref, now);
    case 'hotsock.channelStorageGet':
      return { kind: 'storageGet', channel: requiredChannel(object), key: requiredStorageKey(object) };
    case REACTION_EVENT:
      return { kind: 'reaction', channel: requiredChannel(object), ...reactionRequest(dataText(text)), ref };
    case 'hotsock.umdUpdate':
      return umdUpdate(object);
    default:
      return message(text, object, event, ref, now);
  }
}

function message(
  text: string,
  object: JsonObject,
  event: string,
  ref: string | undefined,
  now: () => number,
): ClientFrame {
  if (event.startsWith(RESERVED_PREFIX)) throw new ProtocolError('UNKNOWN_EVENT', `event: ${event} is not known`);
  const problem = eventNameProblem(event);
  if (problem !== undefined) throw new ProtocolError('INVALID_EVENT', problem);
  const channel = requiredChannel(object);
  return { kind: 'message', channel, event, data: dataText(text), dueMs: scheduledMs(object, now), ref };
}

function storageSet(text: string, object: JsonObject, ref: string | undefined, now: () => number): ClientFrame {
  const channel = requiredChannel(object);
  const key = requiredStorageKey(object);
  return { kind: 'storageSet', channel, key, data: dataText(text), dueMs: scheduledMs(object, now), ref };
}

function umdUpdate(object: JsonObject): ClientFrame {
  const channel = object.channel == null ? undefined : requiredChannel(object);
  return { kind: 'umdUpdate', channel, token: umdToken(object.data) };
}

function umdToken(data: unknown): string {
  const { token } = optionalObject(data);
  if (token == null) throw new ProtocolError('MISSING_FIELD', 'data.token is required');
  if (typeof token !== 'string') throw new ProtocolError('INVALID_UMD_TOKEN', 'data.token must be a string');
  return token;
}

/** `data` of a frame that has members there; without any when it is missing or `null`. */
function optionalObject(data: unknown): JsonObject {
  if (data == null) return {};
  if (typeof data === 'object' && !Array.isArray(data)) return data as JsonObject;
  throw new ProtocolError('INVALID_TYPE', 'data must be an object');
}

function subscribe(channel: string, data: unknown): Extract<ClientFrame, { kind: 'subscribe' }> {
  const options = optionalObject(data);
  const { token } = options;
  if (token != null && typeof token !== 'string') {
    throw new ProtocolError('INVALID_SUBSCRIBE_TOKEN', 'data.token must be a string');
  }
  const after = messageIdMember(options.after, 'data.after');
  const resume = resumePoint(options.resume, after);
  return {
    kind: 'subscribe',
    channel,
    token: token ?? undefined,
    after: resume === undefined ? after : undefined,
    resume,
    storage: storageMember(options.storage, 'data.storage'),
  };
}
