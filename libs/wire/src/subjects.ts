/** All NATS subjects and stream names are made here. A raw user string never becomes part of a subject. */

const UNRESERVED = /^[A-Za-z0-9_-]+$/;
const UPPER_HEX = Array.from({ length: 256 }, (_, byte) => '%' + byte.toString(16).toUpperCase().padStart(2, '0'));

function isUnreserved(byte: number): boolean {
  return (
    (byte >= 0x30 && byte <= 0x39) ||
    (byte >= 0x41 && byte <= 0x5a) ||
    (byte >= 0x61 && byte <= 0x7a) ||
    byte === 0x2d ||
    byte === 0x5f
  );
}

/**
 * Any string as one subject token: UTF-8 bytes other than `A–Z a–z 0–9 - _` become `%XX` (pubsub-events §4.2).
 * Reversible, free of dots and wildcards, never `~`.
 */
export function encodeToken(text: string): string {
  if (UNRESERVED.test(text)) return text;
  let token = '';
  for (const byte of Buffer.from(text, 'utf8'))
    token += isUnreserved(byte) ? String.fromCharCode(byte) : UPPER_HEX[byte];
  return token;
}

/** Reverse of `encodeToken`; throws on anything that `encodeToken` does not write. */
export function decodeToken(token: string): string {
  const bytes = token.replace(/%[0-9A-F]{2}/g, (code) => String.fromCharCode(parseInt(code.slice(1), 16)));
  const text = Buffer.from(bytes, 'latin1').toString('utf8');
  if (encodeToken(text) !== token) throw new Error(`not an encoded subject token: ${token}`);
  return text;
}

/**
 * The partition of a channel: the unit of order and ownership. A stable hash of the name's UTF-8 bytes (FNV-1a with a
 * final mix), so every publisher on every node and in every version agrees.
 */
export function partitionOf(channel: string, partitions: number): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < channel.length; i++) {
    const code = channel.charCodeAt(i);
    if (code > 0x7f) return hashBytes(Buffer.from(channel, 'utf8')) % partitions;
    hash = Math.imul(hash ^ code, 0x01000193);
  }
  return mix(hash) % partitions;
}

/** The partition in which a gateway's connections are told of. */
export function homePartition(gatewayId: number, partitions: number): number {
  return gatewayId % partitions;
}

function hashBytes(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return mix(hash);
}

function mix(hash: number): number {
  let h = hash;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Publish requests of one partition, in order, until they are sequenced and fanned out. */
export const ingestSubject = (partition: number): string => `hearth.ingest.${partition}`;
export const ingestStream = (partition: number): string => `HEARTH_INGEST_${partition}`;

/** Sequenced messages of a channel on their way to the gateways; the last minutes of all channels stay readable. */
export const DELIVER_STREAM = 'HEARTH_DELIVER';
export const DELIVER_SUBJECTS = 'hearth.deliver.>';
export const deliverSubject = (channel: string): string => `hearth.deliver.${encodeToken(channel)}`;
/** Reverse of `deliverSubject`. */
export const deliveredChannel = (subject: string): string => decodeToken(subject.slice(deliverSubject('').length));

/** What a partition's owner tells all gateways of the ends of its channels. */
export const TAIL_SUBJECTS = 'hearth.tails.*';
export const tailSubject = (partition: number): string => `hearth.tails.${partition}`;
/** Asks all owners to say that: `ALL_TAILS` soon, of all channels; anything else now, of those that had records lately. */
export const ASK_TAILS_SUBJECT = 'hearth.ask-tails';
export const ALL_TAILS = 'all';

/** Requests to the gateway that owns a connection. */
export const gatewaySubject = (gatewayId: number): string => `hearth.gateway.${gatewayId}`;

/** Questions and orders of the management API to all gateways, or to one (management-api). */
export const MANAGEMENT_SUBJECT = 'hearth.management';
export const managementSubject = (gatewayId: number): string => `${MANAGEMENT_SUBJECT}.${gatewayId}`;

/** What gateways tell each other of the connections of each user (limits §2). */
export const UID_COUNTS_SUBJECT = 'hearth.uid-counts';

/** What nodes of the server-side API tell each other of the demand of each key (limits §2). */
export const KEY_DEMANDS_SUBJECT = 'hearth.key-demands';

/** Backend events (pubsub-events §4.2): always six tokens with the default prefix. */
export const eventSubject = (prefix: string, dataType: string, typeName: string, channel: string | undefined): string =>
  `${prefix}.${dataType}.${typeName}.${channel === undefined ? '~' : encodeToken(channel)}`;
