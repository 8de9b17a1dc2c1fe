import { setTimeout as delay } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { Frame } from '../support/ws-client';
import { Arrival, ConnectionLog, Journal, messageKey, SubscriptionLog } from './journal';

export interface SubscriberOptions {
  /** Names it in the journal. */
  readonly name: string;
  /** WebSocket URLs of gateways; the next one is taken for each connection. */
  readonly gateways: readonly string[];
  readonly token: string;
  readonly channels: readonly string[];
  /** Goes on behind the last message it has seen whenever it subscribes again (resume §6). */
  readonly resumes?: boolean;
  /** Breaks its connection by itself after so many messages; asked anew for each connection. Never, when absent. */
  readonly leavesAfter?: () => number;
}

/** Between two attempts at something that a dead or starting service refuses. */
const RETRY_MS = 50;

/**
 * A client that subscribes to some channels and writes down whatever comes. Like the official one, it connects and
 * subscribes again whenever its connection breaks.
 */
export class Subscriber {
  /** Connections that were opened; 1 for a client that was never disconnected. */
  connectionCount = 0;
  /** Resumes that were answered with `"complete":false`. */
  incompleteResumes = 0;
  /** How its connections were closed, by itself included. */
  readonly closes: number[] = [];
  private attempts = 0;
  private socket: WebSocket | undefined;
  private log: ConnectionLog | undefined;
  private current = new Map<string, SubscriptionLog>();
  private readonly asked = new Map<string, { at: number; after: string | undefined }>();
  private readonly lastId = new Map<string, string>();
  private readonly resumeToken = new Map<string, string>();
  private leavesAt = Infinity;
  /** Messages of the present connection. */
  private got = new Set<string>();
  private isSettled = false;
  private isStopping = false;

  constructor(
    protected readonly journal: Journal,
    protected readonly options: SubscriberOptions,
  ) {}

  get name(): string {
    return this.options.name;
  }

  /** Label of its connection in the journal, while there is one. */
  get label(): string | undefined {
    return this.log?.label;
  }

  /** Whether it is connected and all its subscriptions are confirmed. */
  get isComplete(): boolean {
    return this.current.size === this.options.channels.length;
  }

  /** Whether a message came on the present connection. */
  hasGot(message: string): boolean {
    return this.got.has(message);
  }

  start(): void {
    this.connect();
  }

  /** Stays where it is from now on. */
  settleDown(): void {
    this.isSettled = true;
  }

  /** Leaves for good. */
  leave(): void {
    this.endSubscriptions();
    this.stop();
  }

  /** Ends because the test does: what the journal says about its last connection stays as it is. */
  stop(): void {
    this.isStopping = true;
    this.socket?.terminate();
  }

  /** Breaks the connection as a lost network would; it comes back by itself. */
  drop(): void {
    this.socket?.terminate();
  }

  send(frame: object): void {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(frame));
  }

  /** For subclasses: a message came. */
  protected onArrival(_arrival: Arrival): void {}

  /** For subclasses: the connection is gone. */
  protected onGone(): void {}

  /** For subclasses: a message that was sent was not accepted. */
  protected onRefusal(): void {}

  private connect(): void {
    if (this.isStopping) return;
    const { gateways, token, leavesAfter } = this.options;
    const url = gateways[this.attempts++ % gateways.length] ?? '';
    const socket = new WebSocket(`${url}?token=${token}`);
    this.socket = socket;
    this.leavesAt = leavesAfter?.() ?? Infinity;
    socket.on('message', (data) => {
      if (!this.isStopping) this.onFrame(JSON.parse((data as Buffer).toString('utf8')));
    });
    // The close that follows is what counts.
    socket.on('error', () => undefined);
    socket.on('close', (code) => this.onClose(code));
  }

  private onClose(code: number): void {
    if (this.isStopping) return;
    if (this.log !== undefined) this.closes.push(code);
    this.endSubscriptions();
    this.log = undefined;
    this.got = new Set();
    this.onGone();
    void delay(RETRY_MS).then(() => this.connect());
  }

  private endSubscriptions(): void {
    const endedAt = this.journal.now();
    for (const subscription of this.current.values()) subscription.endedAt = endedAt;
    this.current = new Map();
  }

  private onFrame(frame: Frame): void {
    switch (frame.event) {
      case 'hotsock.connected':
        this.log = this.journal.openConnection(
          `${this.name}#${++this.connectionCount}`,
          this.socket?.url.split('?')[0] ?? '',
        );
        for (const channel of this.options.channels) this.subscribe(channel);
        return;
      case 'hotsock.subscribed':
        return this.onSubscribed(frame);
      case 'hotsock.error':
        return this.onError(frame);
      default:
        return this.onMessage(frame);
    }
  }

  private subscribe(channel: string): void {
    const after = this.options.resumes === true ? this.lastId.get(channel) : undefined;
    this.asked.set(channel, { at: this.journal.now(), after });
    const resume = { after, token: this.resumeToken.get(channel) };
    this.send({ event: 'hotsock.subscribe', channel, ...(this.options.resumes === true ? { data: { resume } } : {}) });
  }

  private onSubscribed({ channel, data }: Frame): void {
    const { at: askedAt = 0, after } = this.asked.get(channel) ?? {};
    const isComplete = data.resume?.complete as boolean | undefined;
    if (after !== undefined && isComplete !== true) this.incompleteResumes++;
    const token = data.resume?.token as string | undefined;
    if (token !== undefined) this.resumeToken.set(channel, token);
    const subscription: SubscriptionLog = {
      channel,
      askedAt,
      confirmedAt: this.journal.now(),
      ...(after === undefined ? {} : { resume: { after, complete: isComplete === true } }),
      endedAt: Infinity,
    };
    this.log?.subscriptions.push(subscription);
    this.current.set(channel, subscription);
  }

  private onError(frame: Frame): void {
    const { socket } = this;
    const { channel, error } = frame as { channel?: string; error: { code: string } };
    if (error.code !== 'SERVICE_UNAVAILABLE' || channel === undefined) throw new Error(`${this.name}: ${error.code}`);
    if (this.current.has(channel)) return this.onRefusal();
    void delay(RETRY_MS).then(() => {
      if (this.socket === socket) this.subscribe(channel);
    });
  }

  private onMessage(frame: Frame): void {
    const { log } = this;
    if (log === undefined) throw new Error(`${this.name}: a message came before hotsock.connected`);
    const arrival = { ...sightingOf(frame), at: this.journal.now() };
    log.arrivals.push(arrival);
    this.onArrival(arrival);
    this.got.add(arrival.message);
    this.lastId.set(arrival.channel, arrival.id);
    if (log.arrivals.length >= this.leavesAt && !this.isSettled) this.socket?.terminate();
  }
}

/** A message as the oracle compares it, from a frame, a row of the table or an entry of history. */
export function sightingOf(message: Frame): Omit<Arrival, 'at'> {
  const { id, channel, event, data, meta } = message;
  // Live messages of a server have no `meta`, those in history one that says nothing (client-http-api §3.2).
  const author = meta?.uid == null && meta?.umd == null ? null : [meta.uid, meta.umd];
  const { publisher, n } = data as { publisher: string; n: number };
  return { channel, id, message: messageKey(publisher, n), content: JSON.stringify([event, data, author]) };
}
