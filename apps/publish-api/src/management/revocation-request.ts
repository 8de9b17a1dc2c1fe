import { type JsonObject, ProtocolError, typedMember } from '@hearth/protocol';
import type { RevocationTarget } from '@hearth/wire';
import { checkedReason, selector } from './closing-request';
import { bodyMembers } from './list-query';

/** Body of `POST /revocations` (management-api §4): what is revoked, or which member is wrong. */

export interface RevocationRequest {
  readonly target: RevocationTarget;
  /** Of a uid: tokens issued before, ms since 1970. */
  readonly issuedBeforeMs?: number;
  readonly reason?: string;
  /** `null`: until it is taken back. */
  readonly keepForMs: number | null;
}

/** Clocks of those who issue tokens may be ahead. Later tokens nobody has yet. */
const MAX_AHEAD_MS = 60_000;
const UNTIL_DELETED = -1;
/** A hundred years. */
const MAX_KEEP_SECONDS = 3_155_760_000;
/** RFC 3339 §5.6, in UTC. */
const INSTANT = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]00:00)$/;

/**
 * @param keepSeconds for how long, unless the body says; -1: until it is taken back
 * @param nowMs the installation's clock, ms since 1970
 * @throws ProtocolError naming the first offending member
 */
export function parseRevocation(body: Uint8Array, keepSeconds: number, nowMs: number): RevocationRequest {
  const object = bodyMembers(body, ['jti', 'uid', 'issuedBefore', 'kid', 'reason', 'keepFor']);
  const [name, value] = selector(object, ['jti', 'uid', 'kid']);
  const kinds = { jti: 'revokedToken', uid: 'revokedUser', kid: 'revokedKey' } as const;
  return {
    target: { kind: kinds[name], names: [value] },
    issuedBeforeMs: issuedBeforeMs(object, name, nowMs),
    reason: revocationReason(object),
    keepForMs: keepForMs(object, keepSeconds),
  };
}

function issuedBeforeMs(object: JsonObject, selected: string, nowMs: number): number | undefined {
  const given = object.issuedBefore ?? undefined;
  if (selected !== 'uid') {
    if (given === undefined) return undefined;
    throw new ProtocolError('INVALID_SELECTOR', 'issuedBefore may be given beside uid only');
  }
  // `iat` has whole seconds as a rule, so one that is issued in this very moment may look older than it is.
  if (given === undefined) return (Math.floor(nowMs / 1_000) + 1) * 1_000;
  const ms = instantMs(given);
  if (ms === undefined) {
    throw new ProtocolError('INVALID_TYPE', 'issuedBefore must be Unix seconds or an instant of RFC 3339 in UTC');
  }
  if (ms <= nowMs + MAX_AHEAD_MS) return ms;
  throw new ProtocolError('INVALID_TYPE', 'issuedBefore must be at most 60 seconds ahead');
}

/** Ms since 1970; `undefined` for what is no instant. */
function instantMs(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) && value >= 0 ? Math.round(value * 1_000) : undefined;
  if (typeof value !== 'string' || !INSTANT.test(value)) return undefined;
  const instant = new Date(value.toUpperCase());
  if (!(instant.getTime() >= 0)) return undefined;
  // JavaScript takes a 30th of February, and means a day in March.
  const day = instant.toISOString().slice(0, 10);
  return value.startsWith(day) ? instant.getTime() : undefined;
}

function revocationReason(object: JsonObject): string | undefined {
  const reason = typedMember(object, 'reason', 'string');
  return reason === undefined ? undefined : checkedReason(reason);
}

function keepForMs(object: JsonObject, keepSeconds: number): number | null {
  const seconds = typedMember(object, 'keepFor', 'number') ?? keepSeconds;
  if (seconds === UNTIL_DELETED) return null;
  if (Number.isInteger(seconds) && seconds >= 1 && seconds <= MAX_KEEP_SECONDS) return seconds * 1_000;
  throw new ProtocolError(
    'INVALID_TYPE',
    `keepFor must be -1 or a whole number of seconds from 1 to ${MAX_KEEP_SECONDS}`,
  );
}
