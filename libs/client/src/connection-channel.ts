import type { MemberEntry } from './frames';

export type SubscriptionState =
  'subscribePending' | 'subscribeConfirmed' | 'subscribeFailed' | 'unsubscribePending' | 'unsubscribeConfirmed';

/** A channel on one connection, by its real name once that is known. */
export class ConnectionChannel {
  members: readonly MemberEntry[] = [];
  state: SubscriptionState | undefined;
  uid: string | null | undefined;
  umd: unknown;
  autoSubscribed = false;
  /** @internal The subscribe frame has left. */
  isAsked: boolean | undefined;
  /** @internal The end of its storage entries was asked for. */
  asksStorage: boolean | undefined;
  /** @internal The subscription failed, for whatever reason: it is asked for when somebody wants it again. */
  isRefused: boolean | undefined;

  constructor(readonly name: string) {}
}
