import { Claims, Grants, Identity } from '@hearth/claims';
import { Channel, Subscriber } from './channel';
import { ClientSocket } from './client-socket';

/** What a subscription takes over from whoever made it. */
export interface SubscriptionTerms {
  /** `meta.channelAlias` of its answers. */
  readonly alias: string | undefined;
  /** The connection's, or that of the subscribe token (tokens-and-claims §5.5). */
  readonly identity: Identity;
  /** What the connection may do in this channel while the subscription lasts (tokens-and-claims §5.3). */
  readonly grants: Grants;
}

/** One connection's subscription to one channel. */
export class Subscription implements Subscriber {
  slot = -1;
  /** The connection's; kept here because every message of the channel needs it. */
  readonly socket: ClientSocket;
  readonly alias: string | undefined;
  readonly identity: Identity;
  readonly grants: Grants;
  /** Start of the window of history it may see, ms since 1970 (client-http-api §3.1). */
  readonly subscribedAtMs = Date.now();

  constructor(
    private readonly connection: { readonly id: string; readonly socket: ClientSocket; cutOff(): void },
    readonly channel: Channel,
    terms: SubscriptionTerms,
  ) {
    this.socket = connection.socket;
    this.alias = terms.alias;
    this.identity = terms.identity;
    this.grants = terms.grants;
  }

  get connectionId(): string {
    return this.connection.id;
  }

  cutOff(): void {
    this.connection.cutOff();
  }
}

/** A request to subscribe that the claims allow, with the token that must be used up when it succeeds. */
export interface AllowedSubscription {
  readonly channel: string;
  readonly terms: SubscriptionTerms;
  readonly token: Claims | undefined;
}
