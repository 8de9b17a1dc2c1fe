import { installationNow } from '@hearth/timing';
import type { Position } from '@hearth/wire';
import { Injectable } from '@nestjs/common';
import type { ConnectionEnd } from '@hearth/stream';
import type { OpenConnection } from '../connection/connection-registry';
import type { Subscription } from '../connection/subscription';

/** What is kept; the oldest go first. With names of channels it is some 10 MB at most. */
const MOST = { connections: 10_000, subscriptions: 50_000, ofOneConnection: 100 };

type EndingConnection = Pick<OpenConnection, 'id' | 'identity' | 'connectedAtMs' | 'socket'> & {
  readonly allSubscriptions: readonly Subscription[];
};

/** What decides what a subscription got: of one that has ended, at the end. */
export interface SubscriptionState {
  readonly uid: string | null;
  readonly subscribedAtMs: number;
  /** What it got of the channel lies between these. */
  readonly since: Position | undefined;
  readonly last: Position | undefined;
  /** It is not being sent what it missed any more. */
  readonly isLive: boolean;
}

export interface EndedConnection {
  readonly id: string;
  readonly uid: string | null;
  readonly connectedAtMs: number;
  readonly end: ConnectionEnd;
  /** What had not left the socket. */
  readonly waitingBytes: number;
  readonly subscriptions: ReadonlyMap<string, SubscriptionState>;
}

/** The connections that ended last, so that it can be told what they got. */
@Injectable()
export class EndedConnections {
  private readonly byId = new Map<string, EndedConnection>();
  private subscriptionsCount = 0;

  /** Only what decides what they got is kept. Called before its subscriptions end. */
  add(connection: EndingConnection, closed?: { readonly code: number; readonly reason: string }): void {
    const { id, identity, connectedAtMs, socket, allSubscriptions } = connection;
    const subscriptions = new Map<string, SubscriptionState>();
    for (const subscription of allSubscriptions.slice(0, MOST.ofOneConnection)) {
      subscriptions.set(subscription.channel.name, stateOf(subscription));
    }
    const end = { atMs: installationNow(), code: closed?.code ?? null, reason: closed?.reason ?? null };
    const { backlogBytes: waitingBytes } = socket;
    this.byId.set(id, { id, uid: identity.uid, connectedAtMs, end, waitingBytes, subscriptions });
    this.subscriptionsCount += subscriptions.size;
    this.prune();
  }

  get(connectionId: string): EndedConnection | undefined {
    return this.byId.get(connectionId);
  }

  all(): IterableIterator<EndedConnection> {
    return this.byId.values();
  }

  private prune(): void {
    for (const [id, { subscriptions }] of this.byId) {
      if (this.byId.size <= MOST.connections && this.subscriptionsCount <= MOST.subscriptions) return;
      this.byId.delete(id);
      this.subscriptionsCount -= subscriptions.size;
    }
  }
}

/** As it is now. */
export function stateOf({ channel, identity, since, slot, subscribedAtMs }: Subscription): SubscriptionState {
  return { uid: identity.uid, subscribedAtMs, since, last: channel.intake.last, isLive: slot >= 0 };
}
