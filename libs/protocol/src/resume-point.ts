import { ProtocolError } from './errors';
import { isUlid } from './message-id';

/** Where a client goes on in a channel (resume, head): without members for the first time. */
export interface ResumePoint {
  /** Id of the last message that it was sent, upper case. */
  readonly after?: string;
  /** As the server gave it, or any other text: one that is unusable is no error. */
  readonly token?: string;
}

/** What the connect URL says of one channel. */
export interface ConnectPoint extends ResumePoint {
  /** The client wants to be told where the storage snapshot ends (client-library §7). */
  readonly storage?: boolean;
}

/** What the connect URL asks for the auto-subscribed channels (resume §1). */
export interface ConnectResume {
  /** By channel or alias; `undefined` for one whose entry cannot be understood. */
  readonly points: ReadonlyMap<string, ConnectPoint | undefined>;
  /** Nothing of it could be read: every channel is answered as if its entry could not. */
  readonly isUnreadable: boolean;
}

const LONGEST_URL_VALUE = 8_192;
const UNREADABLE: ConnectResume = { points: new Map(), isUnreadable: true };

/**
 * `data.resume` of `hotsock.subscribe` (resume §1).
 *
 * @param after `data.after`, already checked: it counts where the point has none of its own
 * @returns `undefined` when the client does not ask
 * @throws ProtocolError `INVALID_TYPE`
 */
export function resumePoint(value: unknown, after: string | undefined): ResumePoint | undefined {
  if (value === undefined || value === null || value === false) return undefined;
  if (value === true) return { after };
  if (typeof value !== 'object' || Array.isArray(value)) {
    throw new ProtocolError('INVALID_TYPE', 'data.resume must be true or an object');
  }
  const point = value as { after?: unknown; token?: unknown };
  if (point.token != null && typeof point.token !== 'string') {
    throw new ProtocolError('INVALID_TYPE', 'data.resume.token must be a string');
  }
  return { after: messageIdMember(point.after, 'data.resume.after') ?? after, token: point.token ?? undefined };
}

/**
 * A member that names a message; absent when it is missing or `null`.
 *
 * @returns upper case
 * @throws ProtocolError `INVALID_TYPE`
 */
export function messageIdMember(value: unknown, name: string): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'string' && isUlid(value)) return value.toUpperCase();
  throw new ProtocolError('INVALID_TYPE', `${name} must be a message id`);
}

/**
 * Whether a client wants to be told where the storage snapshot ends (client-library §7); absent when it does not.
 *
 * @throws ProtocolError `INVALID_TYPE`
 */
export function storageMember(value: unknown, name: string): true | undefined {
  const storage = value ?? false;
  if (typeof storage !== 'boolean') throw new ProtocolError('INVALID_TYPE', `${name} must be a boolean`);
  return storage || undefined;
}

/**
 * `resume` of the connect URL, or of Socket.IO's `auth` (resume §1). Never an error: a browser would only try again.
 *
 * @param value base64url of a JSON object, or the object itself
 * @returns `undefined` when the client does not ask
 */
export function connectResume(value: unknown): ConnectResume | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  const object = typeof value === 'string' ? decoded(value) : value;
  if (typeof object !== 'object' || object === null || Array.isArray(object)) return UNREADABLE;
  return {
    points: new Map(Object.entries(object).map(([channel, point]) => [channel, pointOrNone(point)])),
    isUnreadable: false,
  };
}

function pointOrNone(value: unknown): ConnectPoint | undefined {
  try {
    const point = resumePoint(value, undefined);
    if (point === undefined) return undefined;
    const { after, token } = point;
    return { after, token, storage: storageMember((value as { storage?: unknown }).storage, 'storage') };
  } catch {
    return undefined;
  }
}

function decoded(text: string): unknown {
  if (text.length > LONGEST_URL_VALUE || !/^[A-Za-z0-9_-]+={0,2}$/.test(text)) return undefined;
  try {
    return JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
  } catch {
    return undefined;
  }
}
