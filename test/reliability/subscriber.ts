import { setTimeout as delay } from 'node:timers/promises';
import { Frame } from '../support/ws-client';
import { ClientSocket, openSocket, Transport } from './client-socket';
import { Arrival, ConnectionLog, Journal, messageKey, SCHEDULED_EVENT, SubscriptionLog } from './journal';

export interface SubscriberOptions {
  /** Names it in the journal. */
  readonly name: string;
  /** `uid` of its token. */
  readonly uid: string;
  /** WebSocket URLs of gateways; the next one is taken for each connection. */
  readonly gateways: readonly string[];
  /** Made anew for each connection where it may be used once only. */
  readonly token: string | (() => string);
  readonly channels: readonly string[];
  /** WebSocket, if not given. */
  readonly transport?: Transport;
  /** Goes on behind the last message it has seen whenever it subscribes again (resume §6). */
  readonly resumes?: boolean;
  /** Breaks its connection by itself after so many messages; asked anew for each connection. Never, when absent. */
  readonly leavesAfter?: () => number;
}

/** Between two attempts at something that a dead or starting service refuses. */
const RETRY_MS = 50;

/** Where it would go on in a channel. */
interface Point {
  /** Id of the last message it has seen. */
  after?: string;
  token?: string;
  /** Id of the last message it has seen, a gap behind it or not. */
  seen?: string;
  /** From when on the token shows all of the channel, surely: the confirmation of the subscription that it goes back to. */
  since: number;
  /** From when on the token may show the channel. */
  visibleSince: number;
}

/**
 * A client that subscribes to some channels and writes down whatever comes. Like the official one, it connects and
 * subscribes again whenever its connection breaks.
 */
export class Subscriber {
  /** Connections that were opened; 1 for a client that was never disconnected. */
  connectionCount = 0;
  /** Resumes that were answered with `"complete":true`, and with `false`. */
  readonly resumes = { complete: 0, incomplete: 0 };
  /** Holes it was told of, by a frame or by the end of its connection (resume §4). */
  toldHoles = 0;
  /** How its connections were closed, by itself included. */
  readonly closes: number[] = [];
  /** The members of each presence channel, as it was told last. */
  readonly members = new Map<string, readonly Frame[]>();
  private attempts = 0;
  private socket: ClientSocket | undefined;
  private log: ConnectionLog | undefined;
  private current = new Map<string, SubscriptionLog>();
  private readonly asked = new Map<string, { at: number; point: Point | undefined }>();
  private readonly points = new Map<string, Point>();
  private leavesAt = Infinity;
  /** Messages that came, on whatever connection: one that came just before its end does not come again. */
  private readonly got = new Set<string>();
  private isSettled = false;
  private isStopping = false;

  constructor(
    protected readonly journal: Journal,
    readonly options: SubscriberOptions,
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

  /** Whether a message came. */
  hasGot(message: string): boolean {
    return this.got.has(message);
  }

  start(): void {
    this.connect();
  }

  /** Stays where it is from now on. */
  settleDown(): void {
    this.isSettled = true;
    this.resumeReading();
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

  pauseReading(): void {
    this.socket?.pauseReading();
  }

  resumeReading(): void {
    this.socket?.resumeReading();
  }

  send(frame: { readonly event: string; readonly [member: string]: unknown }): void {
    this.socket?.send(frame);
  }

  /** For subclasses: a message came. */
  protected onArrival(_arrival: Arrival): void {}

  /** For subclasses: the connection is gone. */
  protected onGone(): void {}

  /** For subclasses: a message that was sent was not accepted. */
  protected onRefusal(): void {}

  private connect(): void {
    if (this.isStopping) return;
    const { gateways, token, leavesAfter, transport = 'websocket' } = this.options;
    const url = gateways[this.attempts++ % gateways.length] ?? '';
    this.leavesAt = leavesAfter?.() ?? Infinity;
    this.socket = openSocket(transport, url, typeof token === 'string' ? token : token(), {
      onFrame: (frame) => {
        if (!this.isStopping) this.onFrame(frame, url);
      },
      onClose: (code, reason) => this.onClose(code, reason),
    });
  }

  private onClose(code: number, reason: string): void {
    if (this.isStopping) return;
    if (this.log !== undefined) this.closes.push(code);
    if (reason === 'Messages missed') this.toldHoles++;
    this.endSubscriptions();
    this.log = undefined;
    this.onGone();
    void delay(RETRY_MS).then(() => this.connect());
  }

  private endSubscriptions(): void {
    const endedAt = this.journal.now();
    for (const subscription of this.current.values()) subscription.endedAt = endedAt;
    this.current = new Map();
  }

  private onFrame(frame: Frame, url: string): void {
    switch (frame.event) {
      case 'hotsock.connected':
        this.log = this.journal.openConnection(
          `${this.name}#${++this.connectionCount}`,
          url,
          frame.data.connectionId as string,
        );
        for (const channel of this.options.channels) this.subscribe(channel);
        return;
      case 'hotsock.subscribed':
        return this.onSubscribed(frame);
      case 'hotsock.error':
        return this.onError(frame);
      case 'hotsock.messagesMissed':
        return this.onMissed(frame);
      case 'hotsock.memberAdded':
      case 'hotsock.memberUpdated':
      case 'hotsock.memberRemoved':
        return void this.members.set(frame.channel, frame.data.members);
      default:
        return this.onMessage(frame);
    }
  }

  private subscribe(channel: string): void {
    const { resumes = false } = this.options;
    const point = resumes ? this.points.get(channel) : undefined;
    this.asked.set(channel, { at: this.journal.now(), point: point && { ...point } });
    const resume = point === undefined ? true : { after: point.after, token: point.token };
    this.send({ event: 'hotsock.subscribe', channel, ...(resumes ? { data: { resume } } : {}) });
  }

  private onSubscribed({ channel, data }: Frame): void {
    const { at: askedAt = 0, point } = this.asked.get(channel) ?? {};
    const confirmedAt = this.journal.now();
    const complete = data.resume?.complete as boolean | undefined;
    if (point !== undefined) this.resumes[complete === true ? 'complete' : 'incomplete']++;
    if (data.members !== undefined) this.members.set(channel, data.members);
    if (data.resume !== undefined) {
      const { seen, visibleSince = confirmedAt } = point ?? {};
      // What is missing is missing: it goes on with what comes now (resume §6), or with what of it is known.
      const { after, since } =
        complete === true && point !== undefined ? point : { after: undefined, since: confirmedAt };
      this.points.set(channel, { after, token: data.resume.token, seen, since, visibleSince });
    }
    const subscription: SubscriptionLog = {
      channel,
      askedAt,
      confirmedAt,
      ...(point === undefined ? {} : { resume: { ...pointOf(point), complete: complete === true } }),
      holes: [],
      endedAt: Infinity,
    };
    this.log?.subscriptions.push(subscription);
    this.current.set(channel, subscription);
  }

  private onError(frame: Frame): void {
    const { socket } = this;
    const { channel, error } = frame as { channel?: string; error: { code: string; message: string } };
    if (error.code !== 'SERVICE_UNAVAILABLE' || channel === undefined) {
      return this.journal.complain(`${this.name} was told ${JSON.stringify(frame)}`);
    }
    if (this.current.has(channel)) return this.onRefusal();
    void delay(RETRY_MS).then(() => {
      if (this.socket === socket) this.subscribe(channel);
    });
  }

  private onMissed({ channel, data }: Frame): void {
    this.toldHoles++;
    this.current.get(channel)?.holes.push({ after: data.after ?? '', before: data.before ?? undefined });
    // What it missed may be who came and went, and only a new subscription tells it who is there (resume §6).
    if (this.members.has(channel)) this.socket?.terminate();
  }

  private onMessage(frame: Frame): void {
    const { log } = this;
    if (log === undefined || frame.id === undefined) {
      return this.journal.complain(`${this.name} got ${JSON.stringify(frame)} ${log === undefined ? 'too early' : ''}`);
    }
    const arrival = { ...sightingOf(frame), at: this.journal.now() };
    if (frame.event === SCHEDULED_EVENT) this.journal.noteFired(arrival);
    log.arrivals.push(arrival);
    this.onArrival(arrival);
    this.got.add(arrival.message);
    const point = this.points.get(arrival.channel);
    if (point !== undefined) point.after = point.seen = arrival.id;
    if (log.arrivals.length >= this.leavesAt && !this.isSettled) this.socket?.terminate();
  }
}

const pointOf = ({ after, seen, since, visibleSince }: Point) => ({ after, seen, since, visibleSince });

/** A message as the oracle compares it, from a frame, a row of the table or an entry of history. */
export function sightingOf(message: Frame): Omit<Arrival, 'at'> {
  const { id, channel, event, data, meta } = message;
  // Live messages of a server have no `meta`, those in history one that says nothing (client-http-api §3.2).
  const author = meta?.uid == null && meta?.umd == null ? null : [meta.uid, meta.umd];
  const { publisher, n } = data as { publisher: string; n: number };
  return { channel, id, message: messageKey(publisher, n), content: JSON.stringify([event, data, author]) };
}
