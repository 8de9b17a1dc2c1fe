import { CountTable } from './count-table';
import { GroupedTable } from './grouped-table';
import { MemberList } from './member-list';
import type {
  CountKey,
  CountRow,
  PresenceKey,
  PresenceRow,
  ReactionKey,
  ReactionRow,
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

type Changes<Key, Row extends Key> = ReadonlyMap<string, RowChange<Key, Row>>;

/** Changes of one batch, or of several in a row. */
export class UnsavedChanges {
  private constructor(
    private readonly presence: Changes<PresenceKey, PresenceRow>,
    private readonly counts: Changes<CountKey, CountRow>,
    private readonly storage: Changes<StorageKey, StorageRow>,
    private readonly reactions: Changes<ReactionKey, ReactionRow>,
    private readonly schedules: Changes<ScheduleKey, ScheduleRow>,
    /** The batches these changes come from. */
    private readonly parts: readonly UnsavedChanges[] = [],
  ) {}

  static take(state: ChannelState): UnsavedChanges {
    return new UnsavedChanges(
      state.presence.takeChanges(),
      state.counts.takeChanges(),
      state.storage.takeChanges(),
      state.reactions.takeChanges(),
      state.schedules.takeChanges(),
    );
  }

  get isEmpty(): boolean {
    return this.maps().every((map) => map.size === 0);
  }

  /** These and then the later ones: of a row that both changed, only the later change counts. */
  followedBy(later: UnsavedChanges): UnsavedChanges {
    if (later.isEmpty) return this;
    return new UnsavedChanges(
      new Map([...this.presence, ...later.presence]),
      new Map([...this.counts, ...later.counts]),
      new Map([...this.storage, ...later.storage]),
      new Map([...this.reactions, ...later.reactions]),
      new Map([...this.schedules, ...later.schedules]),
      [...this.batches(), ...later.batches()],
    );
  }

  /** The rows to write. */
  toRows(): StateChanges {
    return {
      presence: [...this.presence.values()],
      counts: [...this.counts.values()],
      storage: [...this.storage.values()],
      reactions: [...this.reactions.values()],
      schedules: [...this.schedules.values()],
    };
  }

  /** The database has them. */
  markSaved(state: ChannelState): void {
    for (const batch of this.batches()) {
      state.presence.saved(batch.presence);
      state.counts.saved(batch.counts);
      state.storage.saved(batch.storage);
      state.reactions.saved(batch.reactions);
      state.schedules.saved(batch.schedules);
    }
  }

  private batches(): readonly UnsavedChanges[] {
    return this.parts.length === 0 ? [this] : this.parts;
  }

  private maps(): readonly ReadonlyMap<string, unknown>[] {
    return [this.presence, this.counts, this.storage, this.reactions, this.schedules];
  }
}

/**
 * What the owner of a partition knows about its channels: presence, counts, storage, reactions, schedules. It is what
 * the operations up to the partition's place have made of what the database holds as of the saved position.
 */
export class ChannelState {
  readonly presence = new GroupedTable<PresenceKey, PresenceRow>(
    ({ channel, connectionId }) => channel + SEPARATOR + connectionId,
    CAPACITY,
  );
  readonly counts = new CountTable(CAPACITY);
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
