/**
 * What is known about something that was asked for: accepted, refused for sure, or neither (an answer that did not come,
 * or that says that nobody knows).
 */
export type Fate = 'accepted' | 'refused' | 'unknown';

export type DeedKind = 'message' | 'storage' | 'umd' | 'reactionAdded' | 'reactionRemoved';

/** Something that a client or a backend asked for and that shows in one event, or must show in none. */
export interface Deed {
  readonly kind: DeedKind;
  readonly channel: string;
  /** Names it within its kind: no two have the same, and the event carries it. */
  readonly key: string;
  /** `metadata.trigger` of its event, for those that have one. */
  readonly trigger?: string;
  /** Must not show: nobody asked for an event, or it is a duplicate. */
  readonly isSilent?: boolean;
  fate: Fate;
}

/** One subscription, or an attempt at one, of a connection. */
export interface SubscriptionEntry {
  readonly channel: string;
  /** `accepted`: its `hotsock.subscribed` came. `unknown`: it was refused, and may have existed for a moment. */
  readonly fate: 'accepted' | 'unknown';
  /** As `hotsock.subscribed` said. */
  readonly meta?: { readonly uid: unknown; readonly umd: unknown };
}

/** What one connection went through. */
export interface ConnectionEntry {
  readonly id: string;
  readonly uid: string;
  /** The connection's metadata: the first, and each that replaced it. */
  readonly umds: unknown[];
  readonly subscriptions: SubscriptionEntry[];
}

/** The log book of a load: everything that the oracle compares the events with, but for the observers' frames. */
export class Journal {
  readonly deeds: Deed[] = [];
  readonly connections: ConnectionEntry[] = [];

  /** Writes down what is about to be asked for. */
  intend(deed: Omit<Deed, 'fate'>): Deed {
    const written: Deed = { ...deed, fate: 'unknown' };
    this.deeds.push(written);
    return written;
  }

  opened(id: string, uid: string, umd: unknown): ConnectionEntry {
    const entry: ConnectionEntry = { id, uid, umds: [umd], subscriptions: [] };
    this.connections.push(entry);
    return entry;
  }

  /** Deeds of that fate, by kind. */
  count(fate: Fate): Readonly<Partial<Record<DeedKind, number>>> {
    const counts: Partial<Record<DeedKind, number>> = {};
    for (const deed of this.deeds) if (deed.fate === fate) counts[deed.kind] = (counts[deed.kind] ?? 0) + 1;
    return counts;
  }
}
