import { connect as connectTcp, type Socket as TcpSocket } from 'node:net';
import { io, type Socket } from 'socket.io-client';
import { signed } from '../aws/signed-request';
import { connect, type Frame, type WsClient } from '../support/ws-client';

/** Messages of one connection that are on their way at once. */
const WINDOW = 64;
const PAUSE_MS = 30;

/**
 * Publishes `{"n":0}`, `{"n":1}`, … to a channel over one connection, without waiting for an answer to one before it sends the
 * next.
 */
export abstract class Speaker {
  /** Those that were accepted, in the order in which that was said. */
  readonly accepted: number[] = [];
  refused = 0;
  private said = 0;
  private ticks: NodeJS.Timeout | undefined;

  constructor(readonly channel: string) {}

  get isAnswered(): boolean {
    return this.accepted.length + this.refused === this.said;
  }

  start(): void {
    this.ticks = setInterval(() => this.sayMore(), PAUSE_MS);
  }

  fallSilent(): void {
    clearInterval(this.ticks);
  }

  abstract close(): void;

  protected abstract say(n: number): void;

  private sayMore(): void {
    if (this.said - this.accepted.length - this.refused < WINDOW) this.say(this.said++);
  }
}

/** HTTP requests one behind the other on one TCP connection, answered in that order. */
class PipelinedHttp extends Speaker {
  private readonly waiting: number[] = [];
  private unread = '';

  constructor(
    channel: string,
    private readonly socket: TcpSocket,
    /** The head of a request without its end and the length of its body. */
    private readonly headOf: (body: string) => string,
    private readonly document: object,
  ) {
    super(channel);
    socket.setEncoding('utf8').on('data', (text: string) => this.read(text));
    socket.on('error', () => undefined);
  }

  close(): void {
    this.socket.destroy();
  }

  protected say(n: number): void {
    const body = JSON.stringify({ ...this.document, channel: this.channel, data: { n } });
    this.waiting.push(n);
    this.socket.write(`${this.headOf(body)}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
  }

  private read(text: string): void {
    this.unread += text;
    for (;;) {
      const end = this.unread.indexOf('\r\n\r\n');
      const length = Number(/content-length: (\d+)/i.exec(this.unread.slice(0, end))?.[1]);
      if (end < 0 || this.unread.length < end + 4 + length) return;
      const head = this.unread.slice(0, end);
      this.unread = this.unread.slice(end + 4 + length);
      const isAccepted = /^HTTP\/1.1 20[02] /.test(head) && !/x-amz-function-error/i.test(head);
      const n = this.waiting.shift() ?? -1;
      if (isAccepted) this.accepted.push(n);
      else this.refused++;
    }
  }
}

/** Frames of a WebSocket. Its own copies say what was accepted; an error does not say which message it is about. */
class WebSocketSpeaker extends Speaker {
  constructor(
    channel: string,
    private readonly client: WsClient,
  ) {
    super(channel);
    client.socket.on('message', (text: Buffer) => {
      const frame = JSON.parse(text.toString('utf8'));
      if (frame.event === 'e') this.accepted.push(frame.data.n as number);
      if (frame.event === 'hotsock.error') this.refused++;
    });
  }

  close(): void {
    this.client.socket.terminate();
  }

  protected say(n: number): void {
    this.client.send({ event: 'e', channel: this.channel, data: { n } });
  }
}

class SocketIoSpeaker extends Speaker {
  constructor(
    channel: string,
    private readonly socket: Socket,
  ) {
    super(channel);
  }

  close(): void {
    this.socket.disconnect();
  }

  protected say(n: number): void {
    this.socket.emit('e', { channel: this.channel, data: { n } }, (answer: Frame) => {
      if (answer?.error === undefined) this.accepted.push(n);
      else this.refused++;
    });
  }
}

/** Where to speak. */
export interface Hall {
  /** Of an all-in-one. */
  readonly port: number;
  readonly apiKey: string;
  /** A connect token that lets its bearer publish `e` in any channel, with `echo`. */
  readonly token: string;
}

/** One speaker for each door through which messages come, each with a channel of its own. */
export async function openSpeakers({ port, apiKey, token }: Hall): Promise<readonly Speaker[]> {
  const open = (): Promise<TcpSocket> =>
    new Promise((resolve, reject) => {
      const socket = connectTcp(port, '127.0.0.1', () => resolve(socket)).once('error', reject);
    });
  const host = `127.0.0.1:${port}`;
  const document = { event: 'e', store: 600, emitPubSubEvent: true };
  const publish = `POST /publish HTTP/1.1\r\nhost: ${host}\r\nauthorization: Bearer ${apiKey}\r\n`;
  const invoke = (body: string): string => {
    const { path, headers } = signed({ host, body });
    const lines = headers.map((text, index) => (index % 2 === 0 ? `${text}: ` : `${text}\r\n`));
    return `POST ${path} HTTP/1.1\r\n${lines.join('')}`;
  };
  const ws = await connect(`ws://${host}/v1`, token);
  ws.send({ event: 'hotsock.subscribe', channel: 'by-websocket' });
  await ws.next('hotsock.subscribed');
  const socket = io(`http://${host}`, { transports: ['websocket'], forceNew: true, auth: { token } });
  await socket.emitWithAck('hotsock.subscribe', { channel: 'by-socket-io' });
  return [
    new PipelinedHttp('by-http', await open(), () => publish, document),
    new PipelinedHttp('by-lambda', await open(), invoke, document),
    new WebSocketSpeaker('by-websocket', ws),
    new SocketIoSpeaker('by-socket-io', socket),
  ];
}
