import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Position } from '@hearth/wire';

/** Where a subscriber's right to see a channel begins (resume §2, `from`). */
export interface ResumeStart {
  /** Of the channel's last message then, or one behind which it has had none; `undefined` when nobody knew of any. */
  readonly position: Position | undefined;
  /** Its id; `undefined` when it is not known. */
  readonly id: string | undefined;
  /**
   * What the channel has had since, the deliver stream that was created at `streamCreatedMs` holds behind this sequence, or
   * held.
   */
  readonly streamCreatedMs: number;
  readonly streamSequence: number;
  /** Ms since 1970. */
  readonly atMs: number;
}

/** What a resume token says (resume §2). */
export interface ResumeGrant {
  readonly from: ResumeStart;
  /** Ms since 1970. */
  readonly issuedAtMs: number;
  readonly expiresAtMs: number;
  /** The last connections of the chain, newest first: what they sent without `echo` is not sent again. */
  readonly connectionIds: readonly string[];
}

/** To whom a token speaks: to nobody else it says anything. */
export interface ResumeBinding {
  /** Real name. */
  readonly channel: string;
  /** Of the subscription; having none is a value of its own. */
  readonly uid: string | null;
}

const PREFIX = 'r1.';
const VERSION = 1;
/** 128 bits: nobody can try so many. */
const SIGNATURE_BYTES = 16;
/** Longer input is not even looked at (resume §2). */
const LONGEST_INPUT = 1_024;
/** Connections of the chain that a token names. */
export const CHAIN_LENGTH = 4;

const CONNECTION_BYTES = 11;
const ID_CHARACTERS = 26;
const HEAD_BYTES = 46 + ID_CHARACTERS;

/**
 * Makes a token: opaque text of at most 256 characters `[A-Za-z0-9._-]`.
 *
 * @param key 32 bytes or more
 */
export function signResumeToken(grant: ResumeGrant, binding: ResumeBinding, key: Uint8Array): string {
  const payload = encodeGrant(grant);
  return `${PREFIX}${payload.toString('base64url')}.${signatureOf(payload, binding, key).toString('base64url')}`;
}

/**
 * What a token says; `undefined` for one that is unusable: forged, cut, of an unknown key, for another channel or uid, or
 * expired.
 *
 * @param token as the client sent it
 * @param keys any of them may have signed it
 */
export function verifyResumeToken(
  token: string,
  binding: ResumeBinding,
  keys: readonly Uint8Array[],
  nowMs: number,
): ResumeGrant | undefined {
  if (token.length > LONGEST_INPUT || !token.startsWith(PREFIX)) return undefined;
  const [payloadText = '', signatureText = ''] = token.slice(PREFIX.length).split('.');
  const payload = Buffer.from(payloadText, 'base64url');
  const signature = Buffer.from(signatureText, 'base64url');
  // Only the text that we write is a token: no second spelling of the same bytes.
  if (token !== `${PREFIX}${payload.toString('base64url')}.${signature.toString('base64url')}`) return undefined;
  if (signature.length !== SIGNATURE_BYTES) return undefined;
  if (!keys.some((key) => timingSafeEqual(signatureOf(payload, binding, key), signature))) return undefined;
  const grant = decodeGrant(payload);
  return grant === undefined || grant.expiresAtMs <= nowMs ? undefined : grant;
}

function signatureOf(payload: Uint8Array, { channel, uid }: ResumeBinding, key: Uint8Array): Buffer {
  // JSON keeps the two apart, and no uid from "null".
  const bound = JSON.stringify([channel, uid]);
  return createHmac('sha256', key)
    .update(`hearth-resume ${payload.length} `)
    .update(payload)
    .update(bound)
    .digest()
    .subarray(0, SIGNATURE_BYTES);
}

function encodeGrant({ from, issuedAtMs, expiresAtMs, connectionIds }: ResumeGrant): Buffer {
  const chain = connectionIds.slice(0, CHAIN_LENGTH);
  const bytes = Buffer.alloc(HEAD_BYTES + chain.length * CONNECTION_BYTES);
  let at = bytes.writeUInt8(VERSION, 0);
  at = bytes.writeUIntBE(issuedAtMs, at, 6);
  at = bytes.writeUIntBE(expiresAtMs, at, 6);
  at = bytes.writeUIntBE(Math.max(0, from.atMs), at, 6);
  at = bytes.writeUIntBE(from.streamCreatedMs, at, 6);
  at = writeUInt56(bytes, from.streamSequence, at);
  // Positions count from 0.0, so that one more is never 0.
  at = bytes.writeUIntBE(from.position === undefined ? 0 : from.position.epoch + 1, at, 6);
  at = writeUInt56(bytes, from.position?.sequence ?? 0, at);
  at += bytes.write((from.id ?? '').padEnd(ID_CHARACTERS), at, ID_CHARACTERS, 'latin1');
  at = bytes.writeUInt8(chain.length, at);
  chain.forEach((id, index) => bytes.write(id.slice(0, 15), at + index * CONNECTION_BYTES, 'base64url'));
  return bytes;
}

function decodeGrant(bytes: Buffer): ResumeGrant | undefined {
  if (bytes.length < HEAD_BYTES || bytes.readUInt8(0) !== VERSION) return undefined;
  const epoch = bytes.readUIntBE(32, 6);
  const sequence = readUInt56(bytes, 38);
  const id = bytes.toString('latin1', 45, 45 + ID_CHARACTERS).trim();
  const count = bytes.readUInt8(HEAD_BYTES - 1);
  if (bytes.length !== HEAD_BYTES + count * CONNECTION_BYTES) return undefined;
  return {
    issuedAtMs: bytes.readUIntBE(1, 6),
    expiresAtMs: bytes.readUIntBE(7, 6),
    from: {
      atMs: bytes.readUIntBE(13, 6),
      streamCreatedMs: bytes.readUIntBE(19, 6),
      streamSequence: readUInt56(bytes, 25),
      id: id === '' ? undefined : id,
      position: epoch === 0 ? undefined : { epoch: epoch - 1, sequence },
    },
    connectionIds: Array.from({ length: count }, (_, index) => {
      const at = HEAD_BYTES + index * CONNECTION_BYTES;
      return `${bytes.toString('base64url', at, at + CONNECTION_BYTES)}=`;
    }),
  };
}

/** Node writes up to 48 bits at once; sequences have up to 53. */
function writeUInt56(bytes: Buffer, value: number, at: number): number {
  bytes.writeUInt8(Math.floor(value / 2 ** 48), at);
  return bytes.writeUIntBE(value % 2 ** 48, at + 1, 6);
}

function readUInt56(bytes: Buffer, at: number): number {
  return bytes.readUInt8(at) * 2 ** 48 + bytes.readUIntBE(at + 1, 6);
}
