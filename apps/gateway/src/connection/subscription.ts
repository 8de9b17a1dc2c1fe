import { installationNow } from '@hearth/timing';
import { Claims, Grants } from '@hearth/claims';
import type { Identity } from '@hearth/protocol';
import { DeliverRecord, gatewayIdOf, Introduction, type Position } from '@hearth/wire';
import { Channel, Outlet, Subscriber } from '../channel/channel';
import type { Hole } from '../channel/intake';
import { ClientSocket } from '../frames/client-socket';
import type { StorageSnapshot } from '../channel/storage-snapshot';

/** What a subscription takes over from whoever made it. */
export interface SubscriptionTerms {
  /** `meta.channelAlias` of its answers. */
  readonly alias: string | undefined;
  /** The connection's, or that of the subscribe token (tokens-and-claims §5.5). */
  readonly identity: Identity;
  /** What the connection may do in this channel while the subscription lasts (tokens-and-claims §5.3). */
  readonly grants: Grants;
  /** Claims of the subscribe token. */
  readonly token: Claims | undefined;
}

/** One connection's subscription to one channel. */
export class Subscription implements Subscriber {
  slot = -1;
  since: Position | undefined;
  /** The connection's, unless frames are held back; kept here because every message of the channel needs it. */
  socket: Outlet;
  /** False once it has ended. */
  isActive = true;
  /** Its `subscribed` event is told, or will be. */
  isAnnounced = false;
  /** The storage entries that it gets at its beginning, when it may observe any. */
  snapshot: StorageSnapshot | undefined;
  /** Its client is told where such entries end (client-library §7). */
  wantsSnapshotEnd = false;
  readonly alias: string | undefined;
  /** Its umd may be updated (channels-presence-storage §7). */
  identity: Identity;
  readonly grants: Grants;
  /** Claims of the token that it was made with, when that was not the connection's. */
  readonly token: Claims | undefined;
  /** Whether it counts in `subscriptionsCount` (channels-presence-storage §2.1). */
  readonly counted: boolean;
  /** Goes on after a hole, for one that asked for that (resume §4); any other has its connection ended. */
  onMissed: ((lastId: string | undefined, hole: Hole) => void) | undefined;
  /** Start of the window of history it may see, ms since 1970 (client-http-api §3.1). */
  readonly subscribedAtMs = installationNow();

  constructor(
    private readonly connection: {
      readonly id: string;
      readonly introduction: readonly Introduction[] | undefined;
      readonly socket: ClientSocket;
      cutOff(): void;
      missed(): void;
    },
    readonly channel: Channel,
    terms: SubscriptionTerms,
  ) {
    this.socket = connection.socket;
    this.alias = terms.alias;
    this.identity = terms.identity;
    this.grants = terms.grants;
    this.token = terms.token;
    this.counted = !terms.grants.omitFromSubCount(channel.name);
  }

  get connectionId(): string {
    return this.connection.id;
  }

  get introduction(): readonly Introduction[] | undefined {
    return this.connection.introduction;
  }

  /** The number of this gateway that the connection carries. */
  get gatewayId(): number {
    return gatewayIdOf(this.connection.id) ?? 0;
  }

  /** Whether the claims let it observe a storage key of its channel (tokens-and-claims §4.4). */
  observes(key: string): boolean {
    return this.grants.storage(this.channel.name, key).observe;
  }

  takesStorage(key: string, change: DeliverRecord): boolean {
    return this.observes(key) && (this.snapshot === undefined || this.snapshot.takes(key, change));
  }

  cutOff(): void {
    this.connection.cutOff();
  }

  abandon(): void {
    this.connection.missed();
  }

  miss(lastId: string | undefined, hole: Hole): void {
    if (this.onMissed === undefined) this.connection.missed();
    else this.onMissed(lastId, hole);
  }
}

/** A request to subscribe that the claims allow; a single-use token must be used up when it succeeds. */
export interface AllowedSubscription {
  readonly channel: string;
  readonly terms: SubscriptionTerms;
}
