import { STATUS_CODES } from 'node:http';
import type { ErrorReply } from './http-errors';
import type { Sender } from './plain-posts';

/** The part of an answer that routes need that also answer plain requests; Fastify's reply has it. */
export interface Reply extends ErrorReply {
  code(status: number): Reply;
  header(name: string, value: string): Reply;
}

/** The answer to a plain request, in the words and the order of Fastify's. */
export class PlainReply implements Reply {
  sent = false;
  /** It has been sent, and need not wait. */
  isReady = false;
  private status = 200;
  private headers = '';
  private body = '';

  /** @param onSent called once */
  constructor(
    private readonly onSent: (reply: PlainReply) => void,
    /** Of the request. */
    readonly sender: Sender,
  ) {}

  /** Of a request without a good credential, or of one that is not looked at, because too many had none. */
  get isRefusal(): boolean {
    // A good key over its own rate is known all the same.
    return this.status === 401 || (this.status === 429 && this.body.includes('"limit":"address'));
  }

  code(status: number): this {
    this.status = status;
    return this;
  }

  header(name: string, value: string): this {
    this.headers += `${name}: ${value}\r\n`;
    return this;
  }

  /** @param payload text, or what is to be JSON; the second answer to a request is dropped */
  send(payload: unknown): void {
    if (this.sent) return;
    this.sent = true;
    if (typeof payload !== 'string') this.header('content-type', JSON_TYPE);
    this.body = typeof payload === 'string' ? payload : JSON.stringify(payload);
    this.onSent(this);
  }

  /**
   * All of it, once it has been sent.
   *
   * @param keepAliveSeconds undefined when the connection ends with it
   */
  text(keepAliveSeconds: number | undefined): string {
    const { status, headers, body } = this;
    const connection =
      keepAliveSeconds === undefined
        ? 'Connection: close'
        : `Connection: keep-alive\r\nKeep-Alive: timeout=${keepAliveSeconds}`;
    return (
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${headers}content-length: ${Buffer.byteLength(body)}\r\n` +
      `Date: ${httpDate()}\r\n${connection}\r\n\r\n${body}`
    );
  }
}

/** As Fastify writes it. */
export const JSON_TYPE = 'application/json; charset=utf-8';

let dateText = '';
let dateSecond = NaN;

/** The time in the form of HTTP, made once a second. */
function httpDate(): string {
  const nowMs = Date.now();
  const second = Math.floor(nowMs / 1_000);
  if (second !== dateSecond) {
    dateSecond = second;
    dateText = new Date(nowMs).toUTCString();
  }
  return dateText;
}
