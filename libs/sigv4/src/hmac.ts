import { sha256 } from './sha256';

/** Bytes that SHA-256 takes at a time, and of its digest. */
const BLOCK = 64;
const DIGEST = 32;
const [INNER, OUTER] = [0x36, 0x5c];
/** Most texts that are signed have less than half of it. */
const ROOM = 512;

/** HMAC-SHA-256 of a text in UTF-8, hex. */
export type Hmac = (text: string) => string;

/**
 * HMAC-SHA-256 with a key that stays (RFC 2104): `H(key ^ opad, H(key ^ ipad, text))`, both halves of the key prepared.
 *
 * `createHmac` makes an object of Node's and one of OpenSSL's for every text, which takes longer than all the hashing.
 *
 * @param key at most 64 bytes, as all keys of AWS Signature Version 4 are
 * @throws RangeError when the key is longer: it would have to be hashed first
 */
export function hmacSha256(key: Uint8Array): Hmac {
  if (key.length > BLOCK) throw new RangeError(`a key has at most ${BLOCK} bytes`);
  const inner = padded(key, INNER, ROOM);
  const outer = padded(key, OUTER, DIGEST);
  return (text) => {
    const bytes = Buffer.byteLength(text);
    const message = bytes <= ROOM ? inner : Buffer.concat([inner.subarray(0, BLOCK)], BLOCK + bytes);
    message.write(text, BLOCK);
    outer.write(sha256(message.subarray(0, BLOCK + bytes), 'binary'), BLOCK, 'binary');
    return sha256(outer, 'hex');
  };
}

/** One block of the key and the padding, and room behind it. */
function padded(key: Uint8Array, padding: number, room: number): Buffer {
  const block = Buffer.alloc(BLOCK + room);
  for (let at = 0; at < BLOCK; at++) block[at] = (key[at] ?? 0) ^ padding;
  return block;
}
