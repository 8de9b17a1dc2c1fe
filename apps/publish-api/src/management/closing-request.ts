import { checkedChannel, type JsonObject, ProtocolError, typedMember, uidProblem } from '@hearth/protocol';
import type { DenialTarget, Farewell } from '@hearth/wire';
import { bodyMembers } from './list-query';

/** Bodies of `POST /disconnect` and `POST /unsubscribe` (management-api §3): what is meant, or which member is wrong. */

export interface ClosingRequest {
  readonly target: DenialTarget;
  readonly farewell: Farewell;
  /** For so long whoever is sent away is refused. */
  readonly refuseForMs: number;
}

const MAX_REASON_BYTES = 100;
const DEFAULT_REASON = 'Disconnected';
const MAX_EXCEPT = 100;
const MAX_REFUSE_SECONDS = 86_400;
/** An official client asks again 250 ms after it has been unsubscribed. */
const UNSUBSCRIBED_SECONDS = 60;
/** Longer ones could be shown by no client: they are part of a token in a request line. */
const MAX_NAME_CHARACTERS = 1_024;

/** @throws ProtocolError naming the first offending member */
export function parseDisconnect(body: Uint8Array): ClosingRequest {
  const selectors = ['uid', 'connectionId', 'channel', 'jti'] as const;
  const object = bodyMembers(body, [...selectors, 'except', 'reason', 'reconnect', 'refuseFor']);
  const [name, value] = selector(object, selectors);
  const kinds = { uid: 'refusedUser', connectionId: 'connection', channel: 'channel', jti: 'refusedJti' } as const;
  const farewell = {
    reason: checkedReason(typedMember(object, 'reason', 'string')),
    reconnect: typedMember(object, 'reconnect', 'boolean') ?? false,
    except: except(object),
  };
  return { target: { kind: kinds[name], names: [value] }, farewell, refuseForMs: refuseForMs(object, 0) };
}

/** @throws ProtocolError naming the first offending member */
export function parseUnsubscribe(body: Uint8Array): ClosingRequest {
  const object = bodyMembers(body, ['channel', 'uid', 'connectionId', 'reason', 'refuseFor']);
  const channel = namedBy(object, 'channel');
  if (channel === undefined) throw new ProtocolError('MISSING_FIELD', 'channel is required');
  const [name, value] = selector(object, ['uid', 'connectionId']);
  const kind = name === 'uid' ? 'refusedSubscriber' : 'refusedSubscription';
  const farewell = { reason: checkedReason(typedMember(object, 'reason', 'string')), reconnect: false, except: [] };
  return {
    target: { kind, names: [channel, value] },
    farewell,
    refuseForMs: refuseForMs(object, UNSUBSCRIBED_SECONDS),
  };
}

/** @throws ProtocolError `INVALID_TYPE` for one that does not fit into a close frame, or is no text */
export function checkedReason(reason = DEFAULT_REASON): string {
  if (isText(reason) && Buffer.byteLength(reason) <= MAX_REASON_BYTES) return reason;
  throw new ProtocolError('INVALID_TYPE', `reason must be at most ${MAX_REASON_BYTES} bytes of text`);
}

/** The one of some members that is given. */
export function selector<Name extends string>(object: JsonObject, names: readonly Name[]): readonly [Name, string] {
  const given = names.flatMap((name) => {
    const value = namedBy(object, name);
    return value === undefined ? [] : [[name, value] as const];
  });
  const [only, other] = given;
  if (only === undefined) throw new ProtocolError('MISSING_FIELD', `one of ${names.join(', ')} is required`);
  if (other === undefined) return only;
  throw new ProtocolError('INVALID_SELECTOR', `only one of ${only[0]} and ${other[0]} may be given`);
}

/** A member that names somebody or something. */
export function namedBy(object: JsonObject, name: string): string | undefined {
  const value = typedMember(object, name, 'string');
  if (value === undefined) return undefined;
  if (name === 'channel') checkedChannel(value);
  const problem = name === 'uid' ? uidProblem(value) : undefined;
  if (problem !== undefined) throw new ProtocolError('INVALID_TYPE', problem);
  if (value === '' || value.length > MAX_NAME_CHARACTERS) {
    throw new ProtocolError('INVALID_TYPE', `${name} must have 1 to ${MAX_NAME_CHARACTERS} characters`);
  }
  return value;
}

/** Whether it has a UTF-8 form that Postgres takes. */
export function isText(value: string): boolean {
  return value.isWellFormed() && !value.includes('\u0000');
}

function except(object: JsonObject): readonly string[] {
  const ids: unknown = object.except ?? [];
  if (Array.isArray(ids) && ids.length <= MAX_EXCEPT && ids.every((id) => typeof id === 'string')) return ids;
  throw new ProtocolError('INVALID_TYPE', `except must be an array of at most ${MAX_EXCEPT} connection ids`);
}

function refuseForMs(object: JsonObject, defaultSeconds: number): number {
  const seconds = typedMember(object, 'refuseFor', 'number') ?? defaultSeconds;
  if (Number.isInteger(seconds) && seconds >= 0 && seconds <= MAX_REFUSE_SECONDS) return seconds * 1_000;
  throw new ProtocolError(
    'INVALID_TYPE',
    `refuseFor must be a whole number of seconds from 0 to ${MAX_REFUSE_SECONDS}`,
  );
}
