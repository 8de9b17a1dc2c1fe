import type { Connection } from './connection';
import type { ConnectionChannel } from './connection-channel';
import type { SubscribeTokenFn } from './types';

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- a frame, or the event of a WebSocket, as the official client types it
export type MessageFn = (message: any) => unknown;

export interface BindOptions {
  channel?: string;
  subscribeTokenFn?: SubscribeTokenFn;
}

export interface UnbindOptions {
  /** Absent or `null`: all of the event. */
  messageFn?: MessageFn | null;
  channel?: string;
}

/** A function that is bound to an event. */
export interface Binding {
  readonly event: string | RegExp;
  readonly messageFn: MessageFn;
  readonly subscribeTokenFn: SubscribeTokenFn | undefined;
  /** Its channel on the present connection; `undefined` for one that is bound to all. */
  readonly channel: ConnectionChannel | undefined;
  unbind(): void;
}

/** @internal */
export function matches(event: string | RegExp, name: string | undefined): boolean {
  if (name === undefined) return false;
  // The official client takes anything: what is neither is nobody's event, and must not keep others from theirs.
  if (typeof event === 'string' || !(event as RegExp | undefined)?.test) return event === name;
  // One with the flag `g` or `y` remembers where it stopped.
  event.lastIndex = 0;
  return event.test(name);
}

/** @internal What is bound, by event and by channel (client-library §2). */
export class Bindings {
  ofClient!: Map<string | RegExp, Binding[]>;
  ofChannels!: Map<string, readonly Binding[]>;

  constructor(private readonly connection: () => Connection) {
    this.clear();
  }

  add(
    event: string | RegExp,
    messageFn: MessageFn,
    { channel, subscribeTokenFn }: BindOptions,
    end: () => void,
  ): Binding {
    const { connection } = this;
    const binding = {
      event,
      messageFn,
      subscribeTokenFn,
      unbind: end,
      get channel() {
        return channel === undefined ? undefined : connection().find(channel);
      },
    };
    if (channel) this.ofChannels.set(channel, [...this.of(channel), binding]);
    else this.ofClient.set(event, [...(this.ofClient.get(event) ?? []), binding]);
    return binding;
  }

  removeFromChannel(event: string | RegExp, channel: string, messageFn: MessageFn | null | undefined): void {
    const isOther = (binding: Binding) => binding.event !== event || (messageFn && binding.messageFn !== messageFn);
    this.ofChannels.set(channel, this.of(channel).filter(isOther));
  }

  removeFromClient(event: string | RegExp, messageFn: MessageFn | null | undefined): void {
    for (const [key, bindings] of [...this.ofClient]) {
      if (key !== event && !(typeof event === 'string' && matches(key, event))) continue;
      const first = bindings.find((binding) => binding.messageFn === messageFn);
      const rest = messageFn ? bindings.filter((binding) => binding !== first) : [];
      if (rest.length === 0) this.ofClient.delete(key);
      else this.ofClient.set(key, rest);
    }
  }

  of(channel: string): readonly Binding[] {
    return this.ofChannels.get(channel) ?? [];
  }

  clear(): void {
    this.ofClient = new Map();
    this.ofChannels = new Map();
  }
}
