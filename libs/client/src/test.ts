import { HearthClient } from './index';
import type { Off, Shapes, Socket, Untyped } from './types';

/**
 * A client without a server, for tests of applications (client-library §9): the same surface, and a `server` that a test
 * speaks for. Everything happens at once: no timer, no network.
 */

/** A frame of the client, as it was sent. */
export interface SentFrame {
  readonly event: string;
  readonly channel?: string;
  readonly data?: unknown;
  readonly key?: string;
  readonly ref?: string;
}

export interface TestMember {
  readonly uid: string;
  readonly umd?: unknown;
}

export interface TestServer {
  /** Every frame that the client has sent, oldest first. */
  readonly sent: readonly SentFrame[];
  /** A message for the channel's subscribers. @returns its id */
  emit(channel: string, event: string, data?: unknown, options?: { meta?: object; id?: string }): string;
  join(channel: string, member: TestMember | string, umd?: unknown): void;
  leave(channel: string, member: TestMember | string): void;
  /** A value of the channel's storage; `null` clears it. */
  store(channel: string, key: string, value: unknown): void;
  /** Messages were missed. */
  gap(channel: string, hole?: { after?: string | null; before?: string | null }): void;
  /** Closes the connection; the client stays away until `accept`. */
  drop(code?: number, reason?: string): void;
  /** Lets a client that was dropped in again, and confirms messages that are not answered: all, or one. */
  accept(ref?: string): void;
  /** Refuses a message that is not answered. */
  reject(ref: string, code: string, message?: string): void;
}

export interface TestClientOptions {
  /** Whom the client is; `null`: nobody. */
  uid?: string | null;
  umd?: unknown;
}

export class TestClient<S extends Shapes<S> = Untyped> extends HearthClient<S> {
  readonly server: TestServer;
  private readonly fake: FakeServer;

  constructor({ uid = 'test-user', umd = null }: TestClientOptions = {}) {
    super('ws://test', { connectTokenFn: () => '', lazyConnection: true });
    this.server = this.fake = new FakeServer(uid, umd, () => this.connectNow());
    void this.connect();
  }

  /** @internal */
  override later(): Off {
    return () => undefined;
  }

  /** @internal */
  override every(): Off {
    return () => undefined;
  }

  /** @internal */
  override soon(call: () => void): void {
    call();
  }

  /** @internal */
  override list(name: string, request: object): Promise<readonly never[]> {
    return Promise.resolve(this.fake.page(name, request) as never[]);
  }

  /** @internal */
  override connectNow(): void {
    this.fake.open((socket) => this.renew().attach(socket));
  }
}

/** A client that is connected. */
export function createTestClient<S extends Shapes<S> = Untyped>(options: TestClientOptions = {}): TestClient<S> {
  return new TestClient<S>(options);
}

class FakeSocket implements Socket {
  readyState = 1;
  onopen: Socket['onopen'] = null;
  onclose: Socket['onclose'] = null;
  onerror: Socket['onerror'] = null;
  onmessage: Socket['onmessage'] = null;

  constructor(private readonly received: (frame: SentFrame) => void) {}

  send(text: string): void {
    this.received(JSON.parse(text) as SentFrame);
  }

  close(code = 1000, reason = ''): void {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.onclose?.({ code, reason } as never);
  }

  tell(frame: object): void {
    if (this.readyState === 1) this.onmessage?.({ data: JSON.stringify(frame) } as never);
  }
}

interface Page {
  readonly after?: string;
  readonly before?: string;
  readonly reverse?: boolean;
}

class FakeServer implements TestServer {
  readonly sent: SentFrame[] = [];
  private socket: FakeSocket | undefined;
  private readonly subscribed = new Set<string>();
  private readonly members = new Map<string, { uid: string; umd: unknown }[]>();
  private readonly storage = new Map<string, Map<string, unknown>>();
  private readonly log = new Map<string, object[]>();
  private unanswered: SentFrame[] = [];
  private isRefusing = false;
  private ids = 0;

  constructor(
    private readonly uid: string | null,
    private readonly umd: unknown,
    private readonly connect: () => void,
  ) {}

  open(attach: (socket: Socket) => void): void {
    if (this.isRefusing) return;
    const socket = new FakeSocket((frame) => this.receive(frame));
    this.socket = socket;
    this.subscribed.clear();
    attach(socket);
    socket.onopen?.({} as never);
    socket.tell({
      event: 'hotsock.connected',
      data: {
        connectionId: 'test-connection=',
        connectionSecret: 'secret',
        connectionExpiresAt: '2099-01-01T00:00:00Z',
      },
      meta: this.meta,
    });
  }

  emit(
    channel: string,
    event: string,
    data: unknown = null,
    { meta, id = this.nextId() }: { meta?: object; id?: string } = {},
  ): string {
    const message = { id, event, channel, data, meta };
    this.log.set(channel, [...(this.log.get(channel) ?? []), message]);
    this.tell(channel, message);
    return id;
  }

  join(channel: string, who: TestMember | string, umd: unknown = null): void {
    const member = typeof who === 'string' ? { uid: who, umd } : { uid: who.uid, umd: who.umd ?? null };
    const others = this.of(channel).filter(({ uid }) => uid !== member.uid);
    const isNew = others.length === this.of(channel).length;
    this.change(channel, isNew ? 'memberAdded' : 'memberUpdated', member, [...others, member]);
  }

  leave(channel: string, who: TestMember | string): void {
    const uid = typeof who === 'string' ? who : who.uid;
    const member = this.of(channel).find((one) => one.uid === uid);
    if (member !== undefined)
      this.change(
        channel,
        'memberRemoved',
        member,
        this.of(channel).filter((one) => one !== member),
      );
  }

  store(channel: string, key: string, value: unknown): void {
    const entries = this.storage.get(channel) ?? new Map<string, unknown>();
    this.storage.set(channel, entries);
    if (value === null) entries.delete(key);
    else entries.set(key, value);
    this.tell(channel, {
      event: 'hotsock.channelStorageUpdated',
      channel,
      key,
      data: value,
      meta: { uid: null, umd: null },
    });
  }

  gap(channel: string, { after = null, before = null }: { after?: string | null; before?: string | null } = {}): void {
    this.tell(channel, { event: 'hotsock.messagesMissed', channel, data: { after, before } });
  }

  drop(code = 1006, reason = ''): void {
    this.isRefusing = true;
    this.socket?.close(code, reason);
  }

  accept(ref?: string): void {
    if (this.isRefusing) {
      this.isRefusing = false;
      this.connect();
    }
    for (const frame of this.take(ref)) {
      this.apply(frame);
      const data = { id: this.nextId(), position: String(++this.ids) };
      this.socket?.tell({ event: 'hotsock.published', channel: frame.channel, ref: frame.ref, data });
    }
  }

  reject(ref: string, code: string, message = code): void {
    for (const { channel } of this.take(ref)) {
      this.socket?.tell({ event: 'hotsock.error', channel, ref, error: { code, message } });
    }
  }

  page(channel: string, { after, before, reverse }: Page): readonly object[] {
    const messages = [...(this.log.get(channel) ?? [])] as { id: string }[];
    if (reverse === true) {
      messages.reverse();
      return messages.filter(({ id }) => before === undefined || id < before).slice(0, 100);
    }
    return messages.filter(({ id }) => after === undefined || id > after).slice(0, 100);
  }

  private get meta(): object {
    return { uid: this.uid, umd: this.umd };
  }

  private receive(frame: SentFrame): void {
    this.sent.push(frame);
    const { event, channel = '', data } = frame;
    if (event === 'hotsock.subscribe') this.subscribe(channel, data ?? {});
    else if (event === 'hotsock.unsubscribe') this.unsubscribe(channel);
    else if (event === 'hotsock.ping') this.socket?.tell({ event: 'hotsock.pong', data: '{}' });
    else if (frame.ref !== undefined)
      this.unanswered = [...this.unanswered.filter(({ ref }) => ref !== frame.ref), frame];
  }

  private subscribe(channel: string, { resume, storage }: { resume?: unknown; storage?: boolean }): void {
    this.subscribed.add(channel);
    const isPresence = channel.startsWith('presence.');
    if (isPresence && this.uid !== null && !this.of(channel).some(({ uid }) => uid === this.uid)) {
      this.members.set(channel, [...this.of(channel), { uid: this.uid, umd: this.umd }]);
    }
    const answer = resume === undefined ? undefined : { complete: resume === true ? undefined : true, token: 'test' };
    const data = { resume: answer, members: isPresence ? this.of(channel) : undefined };
    this.socket?.tell({ event: 'hotsock.subscribed', channel, data, meta: this.meta });
    for (const [key, value] of this.storage.get(channel) ?? []) {
      this.tell(channel, {
        event: 'hotsock.channelStorageUpdated',
        channel,
        key,
        data: value,
        meta: { uid: null, umd: null },
      });
    }
    if (storage === true) this.tell(channel, { event: 'hotsock.channelStorageSynced', channel, data: {} });
  }

  private unsubscribe(channel: string): void {
    this.subscribed.delete(channel);
    if (this.uid !== null)
      this.members.set(
        channel,
        this.of(channel).filter(({ uid }) => uid !== this.uid),
      );
    this.socket?.tell({ event: 'hotsock.unsubscribed', channel, data: {} });
  }

  private apply({ event, channel = '', key = '', data }: SentFrame): void {
    if (event === 'hotsock.channelStorageSet') this.store(channel, key, data ?? null);
  }

  private take(ref: string | undefined): readonly SentFrame[] {
    const taken = this.unanswered.filter((frame) => ref === undefined || frame.ref === ref);
    this.unanswered = this.unanswered.filter((frame) => !taken.includes(frame));
    return taken;
  }

  private change(channel: string, event: string, member: object, members: { uid: string; umd: unknown }[]): void {
    this.members.set(channel, members);
    this.tell(channel, { event: `hotsock.${event}`, channel, data: { member, members } });
  }

  private of(channel: string): { uid: string; umd: unknown }[] {
    return this.members.get(channel) ?? [];
  }

  private tell(channel: string, frame: object): void {
    if (this.subscribed.has(channel)) this.socket?.tell(frame);
  }

  private nextId(): string {
    return `01TEST${String(++this.ids).padStart(20, '0')}`;
  }
}
