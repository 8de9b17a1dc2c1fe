import { EventEmitter } from 'node:events';
import { elementsOf, endOfJson, skipSpace } from '@hearth/protocol';

/**
 * The Socket.IO packet format (protocol 5, text packets only) over JSON text that is passed through as it is: the
 * stock parser would parse and rewrite every message, which changes what the publisher wrote (20-digit integers, order
 * of members). `SocketIoParser` is handed to the Socket.IO server in its place.
 */

const CONNECT = 0;
const DISCONNECT = 1;
const EVENT = 2;
const ACK = 3;
const BINARY_EVENT = 5;
const BINARY_ACK = 6;
/** More binary parts than anyone sends by accident: the stock parser's limit too. */
const MAX_ATTACHMENTS = 10;

/** The one event our server-side sockets emit: (frame text or `undefined`, acknowledgement id or `undefined`). */
export const FRAME_EVENT = 'frame';

/** Names that Socket.IO clients refuse to receive as events; frames with such an event arrive under `message` (§11). */
const RESERVED_ON_CLIENTS = new Set([
  '"connect"',
  '"connect_error"',
  '"disconnect"',
  '"disconnecting"',
  '"newListener"',
  '"removeListener"',
]);

/**
 * The value of a frame's `event` member as it is written there. Every frame of ours begins with `event`, or with `id`
 * and then `event`.
 */
function eventText(frame: string): string {
  const key = '"event":';
  const start = frame.indexOf(key) + key.length;
  let end = frame.indexOf('"', start + 1);
  while (isEscaped(frame, end)) end = frame.indexOf('"', end + 1);
  return frame.slice(start, end + 1);
}

function isEscaped(text: string, index: number): boolean {
  let backslashes = 0;
  while (text.charAt(index - 1 - backslashes) === '\\') backslashes++;
  return backslashes % 2 === 1;
}

/** A frame as a Socket.IO event packet. */
export function socketIoPacket(frame: string): string {
  const event = eventText(frame);
  return `${EVENT}[${RESERVED_ON_CLIENTS.has(event) ? '"message"' : event},${frame}]`;
}

/** The acknowledgement of the client's packet `id` with a frame or without anything. */
export function socketIoAck(id: number, frame: string | undefined): string {
  return `${ACK}${id}[${frame ?? ''}]`;
}

interface Packet {
  readonly type: number;
  readonly nsp: string;
  readonly data?: unknown;
  readonly id?: number;
}

class Encoder {
  encode(packet: Packet): string[] {
    const namespace = packet.nsp === undefined || packet.nsp === '/' ? '' : `${packet.nsp},`;
    return [
      `${packet.type}${namespace}${packet.id ?? ''}${packet.data === undefined ? '' : JSON.stringify(packet.data)}`,
    ];
  }
}

/** type, number of attachments, namespace, acknowledgement id, JSON */
const PACKET = /^([0-6])(?:(\d{1,3})-)?(?:(\/[^,]{0,255})(?:,|$))?(\d{1,15})?(?=[[{"]|$)([^]*)$/;

/** So often a session may ask for a namespace: each time has an answer that it need not read. */
const MAX_CONNECTS = 10;

/**
 * Parses what the client of one session sends; a packet that cannot be one, or comes before it may, throws, which closes
 * the session. It begins with CONNECT, and until that is answered nothing else may come (limits §6).
 */
export class Decoder extends EventEmitter {
  private attachments = 0;
  private connects = 0;
  private state: 'new' | 'asked' | 'connected' = 'new';

  /** CONNECT has been answered. */
  answered(isConnected: boolean): void {
    this.state = isConnected ? 'connected' : 'new';
  }

  add(received: unknown): void {
    if (this.state === 'asked') throw new Error('a packet before the answer to CONNECT');
    if (typeof received !== 'string') return this.skipAttachment();
    const match = PACKET.exec(received);
    if (match === null || this.attachments > 0) throw new Error('not a packet');
    const [, type = '', attachments, namespace = '/', id, json = ''] = match;
    if (this.state === 'new' && Number(type) !== CONNECT) throw new Error('a packet before CONNECT');
    this.emit('decoded', this.packet(Number(type), attachments, namespace, id, json));
  }

  destroy(): void {
    this.removeAllListeners();
  }

  private packet(
    type: number,
    attachments: string | undefined,
    nsp: string,
    id: string | undefined,
    json: string,
  ): Packet {
    switch (type) {
      case EVENT:
        return framePacket(nsp, eventFrame(json), id);
      case BINARY_EVENT:
      case BINARY_ACK:
        this.attachments = Number(attachments ?? 0);
        if (this.attachments < 1 || this.attachments > MAX_ATTACHMENTS) throw new Error('bad attachments');
        // Binary data has no JSON form: the frame counts as unreadable, its parts are dropped when they arrive.
        return framePacket(nsp, undefined, id);
      case CONNECT:
        if (++this.connects > MAX_CONNECTS) throw new Error('too many CONNECTs');
        if (this.state === 'new') this.state = 'asked';
        return { type, nsp, data: json === '' ? undefined : jsonObject(json) };
      case DISCONNECT:
        return { type, nsp };
      default:
        // We ask for no acknowledgements, and only servers refuse connections.
        throw new Error('unexpected packet');
    }
  }

  private skipAttachment(): void {
    if (this.attachments === 0) throw new Error('unexpected binary data');
    this.attachments--;
  }
}

function framePacket(nsp: string, frame: string | undefined, id: string | undefined): Packet {
  return { type: EVENT, nsp, data: [FRAME_EVENT, frame, id === undefined ? undefined : Number(id)] };
}

/**
 * A frame as a native client would have sent it, from the arguments of `emit`. The event goes last: of two members
 * with one name the last counts, and the Socket.IO event name is the one that was meant.
 */
function eventFrame(json: string): string {
  const end = json.startsWith('[') ? endOfJson(json, 0) : -1;
  if (end < 0 || skipSpace(json, end) !== json.length) throw new Error('an event must be an array');
  const [event, argument] = elementsOf(json);
  if (event === undefined) throw new Error('an event must have a name');
  if (argument === undefined || argument === 'null') return `{"event":${event}}`;
  if (!argument.startsWith('{')) return argument;
  const members = argument.slice(1, -1).trimEnd();
  return members.trim() === '' ? `{"event":${event}}` : `{${members},"event":${event}}`;
}

function jsonObject(json: string): object {
  const value: unknown = JSON.parse(json);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('not an object');
  return value;
}

/** What the `parser` option of the Socket.IO server takes. */
export const SocketIoParser = { protocol: 5, Encoder, Decoder };
