import { hash, randomFillSync, timingSafeEqual } from 'node:crypto';
import { CONNECTION_ID_RANDOM_BYTES, encodeConnectionId } from '@hearth/wire';

/** Random bytes fetched at once: a call into the generator for every connection costs more than the connection's ids. */
const POOL_BYTES = 4_096;
const SECRET_CHARACTERS = 20;
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
/** Bytes from here on would make the first characters of the alphabet likelier than the others. */
const UNBIASED = Math.floor(256 / ALPHABET.length) * ALPHABET.length;

const pool = Buffer.alloc(POOL_BYTES);
let used = POOL_BYTES;

/** @returns the place of so many fresh bytes in the pool */
function takeRandom(count: number): number {
  if (used + count > POOL_BYTES) {
    randomFillSync(pool);
    used = 0;
  }
  used += count;
  return used - count;
}

/** A new connection id of this gateway (websocket-protocol §2). */
export function newConnectionId(gatewayId: number): string {
  const at = takeRandom(CONNECTION_ID_RANDOM_BYTES);
  return encodeConnectionId(gatewayId, pool.subarray(at, at + CONNECTION_ID_RANDOM_BYTES));
}

/** 20 characters `[A-Za-z0-9]`, each equally likely. */
export function newConnectionSecret(): string {
  let secret = '';
  while (secret.length < SECRET_CHARACTERS) {
    const byte = pool[takeRandom(1)] ?? UNBIASED;
    if (byte < UNBIASED) secret += ALPHABET.charAt(byte % ALPHABET.length);
  }
  return secret;
}

/** Characters of Base64url: 132 bits. */
const DIGEST_CHARACTERS = 22;

/** Names a token whose signature is right, in all its spellings: the signature may have several. */
export function tokenDigest(token: string): string {
  return hash('sha256', token.slice(0, token.lastIndexOf('.')), 'base64url').slice(0, DIGEST_CHARACTERS);
}

/** Compares without telling by its duration how much of a guess was right. */
export function isSameSecret(secret: string, guess: string): boolean {
  const expected = Buffer.from(secret);
  const given = Buffer.from(guess);
  return expected.length === given.length && timingSafeEqual(expected, given);
}
