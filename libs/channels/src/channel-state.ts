import { MemberList } from './member-list';
import type {
  ConnectionKey,
  ConnectionRow,
  CountKey,
  CountRow,
  OfChannel,
  PresenceKey,
  PresenceRow,
  ReactionKey,
  ReactionRow,
  ReportKey,
  ReportRow,
  RowChange,
  ScheduleKey,
  ScheduleRow,
  StateChanges,
  StorageKey,
  StorageRow,
  SubscriptionKey,
  SubscriptionRow,
} from './rows';
import { StateTable } from './state-table';

/** Rows and channels of each kind that a partition keeps in memory beyond those that are not saved yet. */
const CAPACITY = 20_000;

const TABLES = [
  'presence',
  'counts',
  'reports',
  'connections',
  'subscriptions',
  'storage',
  'reactions',
  'schedules',
] as const;

/** All rows of a partition. */
type OfPartition = Pick<ReportRow, 'partition'>;

/**
 * What has changed and is not saved yet. Of a row that changed several times only the last change is kept, so what piles
 * up while the database is away is bounded by the rows, not by the writes.
 */
export class UnsavedChanges {
  private readonly tables = new Map<keyof StateChanges, Map<string, RowChange<object, object>>>();

  /** What has changed since this was called last. */
  static take(state: ChannelState): UnsavedChanges {
    const taken = new UnsavedChanges();
    for (const table of TABLES) taken.tables.set(table, state[table].takeChanges());
    return taken;
  }

  get isEmpty(): boolean {
    return [...this.tables.values()].every(({ size }) => size === 0);
  }

  /** Adds what has changed after all of these. */
  add(later: UnsavedChanges): void {
    for (const [table, changes] of later.tables) {
      for (const [key, change] of changes) this.tables.get(table)?.set(key, change);
    }
  }

  /** The rows to write. */
  toRows(): StateChanges {
    const rows = [...this.tables].map(([table, changes]) => [table, [...changes.values()]]);
    return Object.fromEntries(rows) as StateChanges;
  }

  /** The database has them. */
  markSaved(state: ChannelState): void {
    for (const [table, changes] of this.tables) state[table].saved(changes as never);
  }
}

// No channel name, key or id holds a line feed.
const text = (...parts: readonly unknown[]): string => parts.join('\n');

/**
 * What the owner of a partition knows about its channels: presence, counts, reports of them, storage, reactions,
 * schedules. It is what the operations up to the partition's place have made of what the database holds as of the saved
 * position.
 */
export class ChannelState {
  readonly presence = new StateTable<PresenceKey, PresenceRow, OfChannel>(
    ({ channel, connectionId }) => text(channel, connectionId),
    ({ channel }) => channel,
    CAPACITY,
  );
  /** Gateways report absolute numbers, so a count is set without a look at the others of the channel. */
  readonly counts = new StateTable<CountKey, CountRow, OfChannel>(
    ({ channel, gatewayId }) => text(channel, gatewayId),
    ({ channel }) => channel,
    CAPACITY,
  );
  /**
   * The last report of each gateway that was applied. They are few, so all of a partition are learned before anything is
   * applied, and none is forgotten before its gateway is dead: applying a report never waits for the database.
   */
  readonly reports = new StateTable<ReportKey, ReportRow, OfPartition>(
    ({ gatewayId }) => String(gatewayId),
    ({ partition }) => String(partition),
    1,
  );
  /**
   * Open connections of the gateways whose home this is; all are known at any time, for the same reason. One takes about
   * as much as what events tell of it.
   */
  readonly connections = new StateTable<ConnectionKey, ConnectionRow, OfPartition>(
    ({ connectionId }) => connectionId,
    ({ partition }) => String(partition),
    1,
  );
  /** Subscriptions to standard channels whose end is to be told; there are none where nobody wants events. */
  readonly subscriptions = byRow<SubscriptionKey, SubscriptionRow>(({ gatewayId, channel, connectionId }) =>
    text(gatewayId, channel, connectionId),
  );
  readonly storage = byRow<StorageKey, StorageRow>(({ channel, key }) => text(channel, key));
  readonly reactions = byRow<ReactionKey, ReactionRow>(({ channel, messageId, reaction, uid }) =>
    text(channel, messageId, reaction, JSON.stringify(uid)),
  );
  readonly schedules = byRow<ScheduleKey, ScheduleRow>(({ scheduleId }) => scheduleId);
  /** Made of the rows when first needed; they go when the table forgets the channel. */
  private readonly memberLists = new WeakMap<ReadonlyMap<string, PresenceRow>, MemberList>();

  /** The members of a presence channel; whoever changes its rows changes them too. */
  membersOf(channel: string): MemberList {
    const rows = this.presence.of({ channel });
    const known = this.memberLists.get(rows);
    if (known !== undefined) return known;
    const list = new MemberList(rows.values());
    this.memberLists.set(rows, list);
    return list;
  }
}

/** A table whose rows are known one by one. */
function byRow<Key, Row extends Key>(textOf: (key: Key) => string): StateTable<Key, Row> {
  return new StateTable(textOf, textOf, CAPACITY);
}
