import { CountTable } from './count-table';
import { GroupedTable } from './grouped-table';
import { MemberList } from './member-list';
import { ReportTable } from './report-table';
import type {
  CountKey,
  CountRow,
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
} from './rows';
import { StateTable } from './state-table';

/** Rows and channels of each kind that a partition keeps in memory beyond those that are not saved yet. */
const CAPACITY = 20_000;

// No channel name, key or id holds a line feed.
const SEPARATOR = '\n';

type Changes<Key, Row extends Key> = Map<string, RowChange<Key, Row>>;

/**
 * What has changed and is not saved yet. Of a row that changed several times only the last change is kept, so what piles
 * up while the database is away is bounded by the rows, not by the writes.
 */
export class UnsavedChanges {
  private constructor(
    private readonly presence: Changes<PresenceKey, PresenceRow>,
    private readonly counts: Changes<CountKey, CountRow>,
    private readonly reports: Changes<ReportKey, ReportRow>,
    private readonly storage: Changes<StorageKey, StorageRow>,
    private readonly reactions: Changes<ReactionKey, ReactionRow>,
    private readonly schedules: Changes<ScheduleKey, ScheduleRow>,
  ) {}

  /** What has changed since this was called last. */
  static take(state: ChannelState): UnsavedChanges {
    return new UnsavedChanges(
      state.presence.takeChanges(),
      state.counts.takeChanges(),
      state.reports.takeChanges(),
      state.storage.takeChanges(),
      state.reactions.takeChanges(),
      state.schedules.takeChanges(),
    );
  }

  get isEmpty(): boolean {
    const { presence, counts, reports, storage, reactions, schedules } = this;
    return [presence, counts, reports, storage, reactions, schedules].every((map) => map.size === 0);
  }

  /** Adds what has changed after all of these. */
  add(later: UnsavedChanges): void {
    overwrite(this.presence, later.presence);
    overwrite(this.counts, later.counts);
    overwrite(this.reports, later.reports);
    overwrite(this.storage, later.storage);
    overwrite(this.reactions, later.reactions);
    overwrite(this.schedules, later.schedules);
  }

  /** The rows to write. */
  toRows(): StateChanges {
    return {
      presence: [...this.presence.values()],
      counts: [...this.counts.values()],
      reports: [...this.reports.values()],
      storage: [...this.storage.values()],
      reactions: [...this.reactions.values()],
      schedules: [...this.schedules.values()],
    };
  }

  /** The database has them. */
  markSaved(state: ChannelState): void {
    state.presence.saved(this.presence);
    state.counts.saved(this.counts);
    state.storage.saved(this.storage);
    state.reactions.saved(this.reactions);
    state.schedules.saved(this.schedules);
  }
}

function overwrite<Value>(map: Map<string, Value>, later: ReadonlyMap<string, Value>): void {
  for (const [key, value] of later) map.set(key, value);
}

/**
 * What the owner of a partition knows about its channels: presence, counts, reports of them, storage, reactions,
 * schedules. It is what the operations up to the partition's place have made of what the database holds as of the saved
 * position.
 */
export class ChannelState {
  readonly presence = new GroupedTable<PresenceKey, PresenceRow>(
    ({ channel, connectionId }) => channel + SEPARATOR + connectionId,
    CAPACITY,
  );
  readonly counts = new CountTable(CAPACITY);
  readonly reports = new ReportTable();
  readonly storage = new StateTable<StorageKey, StorageRow>(({ channel, key }) => channel + SEPARATOR + key, CAPACITY);
  readonly reactions = new StateTable<ReactionKey, ReactionRow>(
    ({ channel, messageId, reaction, uid }) => [channel, messageId, reaction, JSON.stringify(uid)].join(SEPARATOR),
    CAPACITY,
  );
  readonly schedules = new StateTable<ScheduleKey, ScheduleRow>(({ scheduleId }) => scheduleId, CAPACITY);
  /** Made of the rows when first needed; they go when the table forgets the channel. */
  private readonly memberLists = new WeakMap<ReadonlyMap<string, PresenceRow>, MemberList>();

  /** The members of a presence channel; whoever changes its rows changes them too. */
  membersOf(channel: string): MemberList {
    const rows = this.presence.of(channel);
    const known = this.memberLists.get(rows);
    if (known !== undefined) return known;
    const list = new MemberList(rows.values());
    this.memberLists.set(rows, list);
    return list;
  }
}
