/**
 * A connection id is base64url of 11 bytes plus one `=` (websocket-protocol §2): 3 bytes name the gateway that owns
 * the connection, so that every node finds it without a shared record, and 8 random bytes make it unguessable.
 */

/** Most gateways whose number fits into an id, and one more than the largest number. */
export const MAX_GATEWAYS = 2 ** 24;
/** Random bytes in a connection id. */
export const CONNECTION_ID_RANDOM_BYTES = 8;

// The 15th character carries only four bits of the last byte, so its two low bits are zero.
const CONNECTION_ID = /^[A-Za-z0-9_-]{14}[AEIMQUYcgkosw048]=$/;

/**
 * @param gatewayId 0 to 2^24 - 1
 * @param random `CONNECTION_ID_RANDOM_BYTES` bytes that nobody can guess
 * @returns 16 characters
 */
export function encodeConnectionId(gatewayId: number, random: Uint8Array): string {
  const bytes = Buffer.allocUnsafe(3 + CONNECTION_ID_RANDOM_BYTES);
  bytes.writeUIntBE(gatewayId, 0, 3);
  bytes.set(random.subarray(0, CONNECTION_ID_RANDOM_BYTES), 3);
  return `${bytes.toString('base64url')}=`;
}

/**
 * The gateway that owns a connection; `undefined` for text that `encodeConnectionId` does not write.
 *
 * @param connectionId after percent-decoding
 */
export function gatewayIdOf(connectionId: string): number | undefined {
  if (!CONNECTION_ID.test(connectionId)) return undefined;
  return Buffer.from(connectionId.slice(0, 4), 'base64url').readUIntBE(0, 3);
}
