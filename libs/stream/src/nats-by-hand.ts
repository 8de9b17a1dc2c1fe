import { ErrorCode, type Msg, type NatsConnection, NatsError } from 'nats';
import type { Socket } from 'node:net';

/**
 * What every message passes, past the client library: it reads its socket through an async generator, wraps each write in
 * promises that nobody waits for, and makes and reads headers with lists and patterns: 6 % of what Node spends on a message
 * to ten subscribers (docs/performance.md). And what is kept for every channel that is open. Connecting, protocol and what
 * becomes of subscriptions stay the library's business, whose version is a fixed one.
 */

/** Of the inside of the library. */
interface Inside {
  readonly protocol: {
    readonly parser: { parse(bytes: Uint8Array): void };
    readonly transport: { readonly socket?: Socket; send(bytes: Uint8Array): void };
    sendCommand(bytes: Uint8Array): void;
    subscribe(subscription: LightSubscription): void;
    unsubscribe(subscription: LightSubscription): void;
  };
}

interface InsideMessage {
  readonly _msg: { readonly hdr: number };
  readonly _rdata: Uint8Array;
}

/** Something to publish. */
export interface Publication {
  readonly subject: string;
  readonly payload: Uint8Array;
  /** `headerLine`s; empty without any. */
  readonly headers: string;
  /** Where a confirmation shall go. */
  readonly reply: string | undefined;
}

const LINE_END = '\r\n';
const HEADERS_BEGIN = 'NATS/1.0';
const HEADERS_END = LINE_END + LINE_END;
const PRINTABLE = /^[ -~]*$/;

/**
 * Reads what comes in the moment in which it comes, and writes without waiting, until the connection is lost. To be called
 * for each connection; until then the library does both.
 *
 * @param onFault told why what came could not be read: the connection is lost then, and made anew like any other
 */
export function connectByHand(nats: NatsConnection, onFault: (error: Error) => void): void {
  const { protocol } = nats as unknown as Inside;
  const { transport } = protocol;
  const { socket } = transport;
  if (socket === undefined) return;
  // What the library has been given before is parsed by the time that more comes: it waits for nothing in between.
  socket.removeAllListeners('data');
  socket.on('data', (bytes) => {
    try {
      protocol.parser.parse(bytes);
    } catch (error) {
      onFault(error as Error);
      socket.destroy(error as Error);
    }
  });
  transport.send = (bytes) => void (socket.writable && socket.write(bytes));
}

/** @throws NatsError when the connection has been closed for good, or the server would not take so much */
export function publishByHand(nats: NatsConnection, { subject, payload, headers, reply }: Publication): void {
  if (nats.isClosed()) throw NatsError.errorForCode(ErrorCode.ConnectionClosed);
  const head = headers === '' ? '' : HEADERS_BEGIN + headers + HEADERS_END;
  const bytes = head.length + payload.length;
  if (bytes > (nats.info?.max_payload ?? Infinity)) throw NatsError.errorForCode(ErrorCode.MaxPayloadExceeded);
  const to = reply === undefined ? subject : `${subject} ${reply}`;
  const command = headers === '' ? `PUB ${to} ${bytes}\r\n` : `HPUB ${to} ${head.length} ${bytes}\r\n${head}`;
  const start = Buffer.byteLength(command);
  const whole = Buffer.allocUnsafe(start + payload.length + LINE_END.length);
  whole.write(command, 'utf8');
  whole.set(payload, start);
  whole.write(LINE_END, start + payload.length, 'latin1');
  (nats as unknown as Inside).protocol.sendCommand(whole);
}

/** Hears what is sent to a subject. */
export interface Listener {
  hear(message: Msg): void;
}

/**
 * What the library keeps of a subscription, as far as it looks at it. One of its own makes three promises with their functions,
 * and a list, for an iterator that nobody asks for: 1 KiB.
 */
export class LightSubscription {
  /** Given by the library, anew after a reconnect. */
  sid = 0;
  /** Counted by the library. */
  received = 0;
  max: number | undefined = undefined;

  private constructor(
    private readonly nats: NatsConnection,
    readonly subject: string,
    private readonly listener: Listener,
  ) {}

  /** @throws NatsError when the connection has been closed for good */
  static begin(nats: NatsConnection, subject: string, listener: Listener): LightSubscription {
    if (nats.isClosed()) throw NatsError.errorForCode(ErrorCode.ConnectionClosed);
    const subscription = new LightSubscription(nats, subject, listener);
    (nats as unknown as Inside).protocol.subscribe(subscription);
    return subscription;
  }

  end(): void {
    if (!this.nats.isClosed()) (this.nats as unknown as Inside).protocol.unsubscribe(this);
  }

  /** For the library. */
  callback(error: NatsError | null, message: Msg): void {
    if (error === null) this.listener.hear(message);
  }

  /** For the library, which has forgotten it. */
  close(): void {}
}

/**
 * A header for `Publication`, where they stand one behind the other.
 *
 * @throws Error when the value could be taken for something else
 */
export function headerLine(name: string, value: string): string {
  if (!PRINTABLE.test(value)) throw new Error(`not the value of a header: ${value}`);
  return `${LINE_END}${name}: ${value}`;
}

/** The headers of a message as they came, the first line a status of the server's, if it is one; empty without any. */
export function headersOf(message: Msg): string {
  const { _msg, _rdata } = message as unknown as InsideMessage;
  return _msg.hdr <= 0 ? '' : Buffer.from(_rdata.buffer, _rdata.byteOffset, _msg.hdr).toString('latin1');
}

/** What a header says; `undefined` when there is none of this name. */
export function headerIn(headers: string, name: string): string | undefined {
  const start = headers.indexOf(`${LINE_END}${name}:`);
  if (start < 0) return undefined;
  const from = start + LINE_END.length + name.length + 1;
  return headers.slice(from, headers.indexOf(LINE_END, from)).trim();
}

/** The status that the server says in place of a message, such as `404 No Messages`; `undefined` for a message. */
export function statusIn(headers: string): { readonly code: number; readonly description: string } | undefined {
  const text = headers.slice(HEADERS_BEGIN.length, headers.indexOf(LINE_END)).trim();
  if (text === '') return undefined;
  const code = Number.parseInt(text, 10);
  return Number.isNaN(code) ? undefined : { code, description: text.slice(String(code).length).trim() };
}
