import type { Connection } from './connection';
import { ClosedError, type HearthError, StorageError } from './errors';
import type { ClientRequest, Frame, ReactionData } from './frames';
import { checkHistoryOptions, history } from './history';
import { both, handled, Listeners, Waiters } from './listeners';
import type { Outbox, Refusal } from './outbox';
import { PresenceView } from './presence';
import { StorageView } from './storage';
import type { ChannelState, Gap, HistoryOptions, Off, Published, PublishOptions, SubscribeTokenFn } from './types';

/** What a channel needs of its client. */
export interface ChannelHost {
  readonly outbox: Outbox;
  readonly activeConnection: Connection;
  /** Its wants have changed: soon, so that what is asked in one go is one frame. */
  changed(name: string): void;
  /** Nobody wants it any more. */
  released(name: string): void;
  list(name: string, request: object, signal: AbortSignal | undefined): Promise<readonly Frame[]>;
  readonly failed: (error: unknown) => void;
  later(call: () => void, ms: number): Off;
}

/** A hold lasts longer than it was asked for: who comes back at once, as components do, finds nothing changed. */
const LINGER_MS = 500;

/** One channel, over all connections of its client (client-library §3). */
export class Channel {
  readonly presence: PresenceView;
  private readonly entries: StorageView;
  private readonly listeners = new Map<string, Listeners<Frame>>();
  private readonly gaps;
  private readonly closes;
  private readonly waiters = new Waiters();
  private readonly holds = new Set<object>();
  private failure: HearthError | undefined;
  subscribeTokenFn: SubscribeTokenFn | undefined;
  /** Its storage has been looked at. */
  wantsStorage: true | undefined;

  constructor(
    private readonly host: ChannelHost,
    readonly name: string,
  ) {
    this.gaps = new Listeners<Gap>(host.failed);
    this.closes = new Listeners<HearthError>(host.failed);
    const hold = () => this.keep();
    this.presence = new PresenceView(hold, host.failed);
    this.entries = new StorageView(hold, (key, value) => this.store(key, value), host.failed);
  }

  get isWanted(): boolean {
    return this.holds.size > 0;
  }

  get state(): ChannelState {
    const state = this.host.activeConnection.find(this.name)?.state;
    if (state === 'subscribeConfirmed') return 'subscribed';
    if (state === 'subscribeFailed' || this.failure !== undefined) return 'failed';
    return this.isWanted ? 'subscribing' : 'idle';
  }

  get storage(): StorageView {
    if (!this.wantsStorage) {
      this.wantsStorage = true;
      this.askForStorage();
    }
    return this.entries;
  }

  on = (event: string, listener: (message: never) => void): Off => {
    return both(this.listen(event, listener as (frame: unknown) => void), this.keep());
  };

  onGap = (listener: (gap: Gap) => void): Off => this.gaps.add(listener);

  hold = (): Off => {
    const release = this.keep();
    return () => void this.host.later(release, LINGER_MS);
  };

  /** Wanted while somebody waits for it. */
  ready = (): Promise<void> => {
    if (this.state === 'subscribed') return Promise.resolve();
    if (this.failure) return handled(Promise.reject(this.failure));
    const release = this.hold();
    return handled(this.waiters.wait().finally(release));
  };

  publish = (event: string, data?: unknown, options?: PublishOptions): Promise<Published> =>
    this.send({ event, data, scheduleExpression: options?.schedule, scheduleExpressionTimezone: options?.timezone });

  react = (messageId: string, reaction: string, action: 'add' | 'remove' = 'add'): Promise<void> => {
    const data: ReactionData = { messageId, reaction, action };
    return handled(this.send({ event: 'hotsock.messageReaction', data }).then(() => undefined));
  };

  history = (given?: HistoryOptions): AsyncIterable<never> => {
    const options = given ?? {};
    checkHistoryOptions(options);
    const source = {
      hold: () => this.keep(),
      ready: this.ready,
      onMessage: (listener: (frame: Frame) => void) => this.listen('*', listener),
      onGap: this.onGap,
      onClosed: (listener: (error: unknown) => void) => this.closes.add(listener),
      list: (request: object, signal: AbortSignal | undefined) => this.host.list(this.name, request, signal),
    };
    return { [Symbol.asyncIterator]: () => history(source, options) } as unknown as AsyncIterable<never>;
  };

  /** Subscribes while it lasts. */
  keep(): Off {
    const hold = {};
    this.holds.add(hold);
    this.failure = undefined;
    this.host.changed(this.name);
    return () => {
      if (this.holds.delete(hold) && !this.isWanted) this.host.released(this.name);
    };
  }

  /** A frame of it has come. */
  receive(frame: Frame): void {
    const { event = '', data } = frame;
    if (event.startsWith('hotsock.member')) this.presence.take(data?.members ?? []);
    switch (event) {
      case 'hotsock.subscribed':
        this.failure = undefined;
        if (data?.members !== undefined) this.presence.take(data.members);
        if (this.wantsStorage) {
          this.entries.begin();
          // Whoever did not ask for the end of the entries is not told of it.
          if (!this.host.activeConnection.find(this.name)?.asksStorage) this.askForStorage();
        }
        this.waiters.settle();
        break;
      case 'hotsock.unsubscribed':
        this.lost();
        break;
      case 'hotsock.channelStorageUpdated':
        this.entries.take(frame.key ?? '', frame.data);
        break;
      case 'hotsock.channelStorageSynced':
        this.entries.end();
    }
    this.emit(event, frame);
    if (!event.startsWith('hotsock.')) this.emit('*', frame);
  }

  missed(gap: Gap): void {
    this.gaps.emit(gap);
  }

  subscribeFailed(error: HearthError): void {
    this.failure = error;
    this.waiters.settle(error);
  }

  /** It is not subscribed any more, for now. */
  lost(): void {
    this.presence.lost();
    this.entries.lost();
  }

  /** Everything that was asked of it is over. */
  close(): void {
    const error = new ClosedError();
    this.waiters.settle(error);
    this.closes.emit(error);
    this.holds.clear();
    this.failure = undefined;
    this.listeners.clear();
    this.gaps.clear();
    this.presence.clear();
    this.entries.clear();
  }

  private send(members: ClientRequest, refusal?: Refusal): Promise<Published> {
    return handled(this.host.outbox.add(this.name, { channel: this.name, ...members }, refusal));
  }

  /** Others see who leaves a presence channel and comes back: the connect URL asks where it can. */
  private askForStorage(): void {
    this.host.activeConnection.resubscribe(this.name);
  }

  private store(key: string, data: unknown): Promise<Published> {
    return this.send({ event: 'hotsock.channelStorageSet', key, data }, StorageError);
  }

  private listen(event: string, listener: (frame: Frame) => void): Off {
    let listeners = this.listeners.get(event);
    if (listeners === undefined) this.listeners.set(event, (listeners = new Listeners(this.host.failed)));
    return listeners.add(listener);
  }

  private emit(event: string, frame: Frame): void {
    this.listeners.get(event)?.emit(frame);
  }
}
