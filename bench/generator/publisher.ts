import { connect, Socket } from 'node:net';
import { Histogram } from './histogram';
import { Target } from './job';
import { nowMicros } from './payload';
import { PublishRequests, PublishShape } from './publish-request';

const READ_BUFFER = Buffer.allocUnsafe(64 * 1024);

/** How many refusals are kept in words. */
const MAX_COMPLAINTS = 3;

/** One keep-alive connection with at most one request in flight. */
interface Lane {
  readonly socket: Socket;
  readonly request: Buffer;
  /** Channels of the messages in the request being answered. */
  channels: readonly number[];
  sentAt: number;
  busy: boolean;
  /** Bytes of an answer that came in pieces. */
  partial: string;
}

/** Publishes over HTTP, through prepared requests on raw sockets. */
export class Publisher {
  /** Messages answered 2xx. */
  accepted = 0;
  refused = 0;
  readonly acceptedByChannel: number[];
  readonly complaints: string[] = [];
  /** Time from handing a request to its socket to its answer; replace it to start afresh. */
  answers = new Histogram();
  inFlight = 0;

  private readonly requests: PublishRequests;
  private readonly idle: Lane[] = [];
  private readonly lanes: Lane[] = [];
  private closing = false;

  /** `onAnswer` is called whenever a request was answered, accepted or not, and its connection is free again. */
  constructor(
    private readonly target: Target,
    private readonly shape: PublishShape,
    private readonly onAnswer: () => void,
  ) {
    this.requests = new PublishRequests(target, shape);
    this.acceptedByChannel = Array.from({ length: shape.channels }, () => 0);
  }

  async open(connections: number): Promise<void> {
    await Promise.all(Array.from({ length: connections }, () => this.openLane()));
  }

  /**
   * Sends one request starting with `channel`, stamped `micros` (see `nowMicros`).
   * @returns false, having sent nothing, when every connection is waiting for an answer.
   */
  publish(channel: number, micros = nowMicros()): boolean {
    const lane = this.idle.shift();
    if (!lane) return false;
    const { bytes, channels } = this.requests.fill(lane.request, channel, micros);
    lane.channels = channels;
    lane.busy = true;
    lane.sentAt = micros;
    this.inFlight++;
    lane.socket.write(lane.request.subarray(0, bytes));
    return true;
  }

  close(): void {
    this.closing = true;
    for (const { socket } of this.lanes) socket.destroy();
  }

  private openLane(): Promise<void> {
    return new Promise((resolve, reject) => {
      const socket = connect({
        port: this.target.port,
        host: '127.0.0.1',
        noDelay: true,
        onread: {
          buffer: READ_BUFFER,
          callback: (bytes, buffer) => {
            this.read(lane, (buffer as Buffer).toString('latin1', 0, bytes));
            return true;
          },
        },
      });
      const request = Buffer.allocUnsafe(this.requests.maxBytes);
      const lane: Lane = { socket, request, channels: [], sentAt: 0, busy: false, partial: '' };
      socket.on('connect', () => {
        this.lanes.push(lane);
        this.idle.push(lane);
        resolve();
      });
      socket.on('error', (error) => {
        reject(error);
        this.laneEnded(lane, error.message);
      });
      socket.on('close', () => this.laneEnded(lane, 'publish connection closed'));
    });
  }

  private read(lane: Lane, text: string): void {
    const answer = lane.partial + text;
    const head = answer.indexOf('\r\n\r\n');
    const length = head < 0 ? undefined : /\r\ncontent-length: *(\d+)/i.exec(answer)?.[1];
    if (head >= 0 && length === undefined && !answer.startsWith('HTTP/1.1 204')) {
      this.laneEnded(lane, `answer without a content-length: ${answer.slice(0, 200)}`);
      return;
    }
    if (head < 0 || answer.length < head + 4 + Number(length ?? 0)) {
      lane.partial = answer;
      return;
    }
    lane.partial = '';
    this.answered(lane, answer);
  }

  private answered(lane: Lane, answer: string): void {
    if (answer.startsWith('HTTP/1.1 2')) {
      this.accepted += lane.channels.length;
      for (const channel of lane.channels) {
        this.acceptedByChannel[channel] = (this.acceptedByChannel[channel] ?? 0) + 1;
      }
    } else this.refuse(lane, answer);
    this.answers.record(nowMicros() - lane.sentAt);
    lane.busy = false;
    this.inFlight--;
    this.idle.push(lane);
    this.onAnswer();
  }

  private laneEnded(lane: Lane, reason: string): void {
    if (this.closing || !this.lanes.includes(lane)) return;
    this.lanes.splice(this.lanes.indexOf(lane), 1);
    if (this.idle.includes(lane)) this.idle.splice(this.idle.indexOf(lane), 1);
    if (lane.busy) {
      lane.busy = false;
      this.inFlight--;
    }
    this.refuse(lane, reason);
    lane.socket.destroy();
  }

  private refuse(lane: Lane, reason: string): void {
    this.refused += Math.max(1, lane.channels.length);
    if (this.complaints.length < MAX_COMPLAINTS) this.complaints.push(`publish: ${reason.slice(0, 300)}`);
  }
}
