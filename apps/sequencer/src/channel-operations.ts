import {
  applyOperation,
  ChannelRules,
  ChannelState,
  missingFor,
  Outcome,
  ScheduleRow,
  SequencedOperation,
  takeDue,
  UnsavedChanges,
} from '@hearth/channels';
import type { BackendEvent, IngestOperation, OperationKind, OperationOf, Placed } from '@hearth/wire';
import {
  Database,
  type Db,
  type Holder,
  isRefusedForData,
  loadConnections,
  loadCounts,
  loadPresence,
  loadReactions,
  loadReports,
  loadSchedules,
  loadStorage,
  loadSubscriptions,
} from '@hearth/store';
import { eventsOf, eventsOfMessage } from './backend-events';
import type { Deliverable } from './fan-out';
import { REFUSED } from './commit-durable';
import { placedOf } from './placed';
import type { ScheduleTimer } from './schedule-timer';
import { isOperation, Sequenced, Sequencing } from './sequencing';

const SCHEDULE_KINDS: ReadonlySet<OperationKind> = new Set(['schedule', 'fire', 'cancel']);

/** What came of a batch. */
export interface AppliedBatch {
  /** For the gateways, in order. */
  readonly deliverables: readonly Deliverable[];
  /** In order. */
  readonly events: readonly BackendEvent[];
  readonly answers: readonly Answer[];
  /** Those that need not wait for the database. */
  readonly promptAnswers: readonly Answer[];
  readonly changes: UnsavedChanges;
}

/** What has no effect: duplicates, each with the one that was accepted, and what Postgres refuses, with why. */
export type Dropped = ReadonlyMap<Sequenced, { readonly refusal?: Outcome['refusal']; readonly first?: Holder }>;

/** To be given once the changes can be read from Postgres. */
export interface Answer {
  readonly to: string;
  readonly refusal?: Outcome['refusal'];
  /** What is answered, when that is an operation. */
  readonly operation?: IngestOperation;
  /** Where it stands, for the sender of something with a `ref`. */
  readonly placed?: Placed;
  /** And once the stream of events holds those of everything until then. */
  readonly afterEvents: boolean;
}

/** Whether its sender wants to be told where it stands. */
export function hasRef(one: Sequenced): boolean {
  return isOperation(one) ? 'ref' in one.operation && one.operation.ref !== undefined : one.event.ref !== undefined;
}

/**
 * Operations on the channels of one partition: what they need is loaded in one go per batch, then they are applied one
 * after the other to what is in memory (`@hearth/channels`).
 */
export class ChannelOperations {
  private readonly state = new ChannelState();
  /** What came of the operations of a batch that have been applied already. */
  private readonly settled = new Map<SequencedOperation, Outcome>();
  private isOpen = false;

  constructor(
    private readonly partition: number,
    private readonly database: Pick<Database, 'db'>,
    private readonly rules: ChannelRules,
    private readonly timer: Pick<ScheduleTimer, 'accepted' | 'early' | 'gone'>,
    private readonly onFailure: (operation: SequencedOperation, error: unknown) => void,
  ) {}

  /** Loads what must be known before anything is applied; once that is done, changes nothing. */
  async open(): Promise<void> {
    if (this.isOpen) return;
    const { partition, state } = this;
    const { db } = this.database;
    state.reports.learn([{ partition }], await loadReports(db, partition));
    state.connections.learn([{ partition }], await loadConnections(db, partition));
    this.isOpen = true;
  }

  /** Schedules that the database does not have yet. */
  unsavedSchedules(): Iterable<ScheduleRow> {
    return this.state.schedules.unsavedRows();
  }

  /**
   * Applies what concerns schedules, in its order, and puts what they parked in the place of the operations that fire
   * them; one that is gone or not due vanishes. This comes before anything else of a batch, because what is fired is
   * committed with it; nothing but these operations looks at schedules, so their order is all that matters.
   *
   * @param dropped those that park nothing
   */
  async settleSchedules(
    batch: readonly Sequenced[],
    sequencing: Sequencing,
    dropped: Dropped,
  ): Promise<readonly Sequenced[]> {
    if (!batch.some((one) => isOperation(one) && SCHEDULE_KINDS.has(one.operation.kind))) return batch;
    await this.load(batch);
    return batch.flatMap((one) => {
      if (!isOperation(one) || !SCHEDULE_KINDS.has(one.operation.kind) || dropped.has(one)) return [one];
      if (this.settled.has(one)) return [one];
      if (one.operation.kind === 'fire') return this.fired(one, one.operation, sequencing);
      this.settled.set(one, this.applyOne(one));
      return [one];
    });
  }

  private fired(one: SequencedOperation, operation: OperationOf<'fire'>, sequencing: Sequencing): Sequenced[] {
    const waiting = this.state.schedules.get(operation);
    const due = takeDue(operation, one.acceptedMs, this.state);
    if (due === undefined) {
      if (waiting !== undefined) this.timer.early(waiting.scheduleId, waiting.dueMs - one.acceptedMs);
      return [];
    }
    this.timer.gone(due);
    try {
      return [sequencing.unpark(one, due.payload)];
    } catch (error) {
      // Nothing of ours parks what it could not read; should it happen, it must not stop a partition.
      this.onFailure(one, error);
      return [];
    }
  }

  /** Loads what the operations of a batch need; may be repeated. One that Postgres refuses to look for has no effect. */
  async load(batch: readonly Sequenced[]): Promise<void> {
    const needed = batch.filter((one) => isOperation(one)).filter((one) => !this.settled.has(one));
    try {
      await this.loadFor(needed.map(({ operation }) => operation));
    } catch (error) {
      if (!isRefusedForData(error)) throw error;
      const [only, ...others] = needed;
      if (only !== undefined && others.length === 0) {
        this.onFailure(only, error);
        this.settled.set(only, { refusal: REFUSED });
        return;
      }
      const middle = needed.length >> 1;
      await this.load(needed.slice(0, middle));
      await this.load(needed.slice(middle));
    }
  }

  private async loadFor(operations: readonly IngestOperation[]): Promise<void> {
    const { db } = this.database;
    const { state } = this;
    const loadMissing = async <Key, Row>(
      keys: readonly Key[],
      read: (db: Db, keys: readonly Key[]) => Promise<readonly Row[]>,
      table: { learn(keys: readonly Key[], rows: readonly Row[]): void },
    ): Promise<() => void> => {
      const rows = keys.length === 0 ? [] : await read(db, keys);
      return () => table.learn(keys, rows);
    };
    const { presence, counts, subscriptions, storage, reactions, schedules } = missingFor(operations, state);
    const loaded = await Promise.all([
      loadMissing(presence, loadPresence, state.presence),
      loadMissing(counts, loadCounts, state.counts),
      loadMissing(subscriptions, loadSubscriptions, state.subscriptions),
      loadMissing(storage, loadStorage, state.storage),
      loadMissing(reactions, loadReactions, state.reactions),
      loadMissing(schedules, loadSchedules, state.schedules),
    ]);
    // When one fails, the answers of the others come when they like, and what they say may be of the past by then.
    for (const learn of loaded) learn();
  }

  /**
   * Applies a batch in its order; everything was loaded.
   */
  apply(batch: readonly Sequenced[], dropped: Dropped): AppliedBatch {
    const deliverables: Deliverable[] = [];
    const events: BackendEvent[] = [];
    const answers: Answer[] = [];
    const promptAnswers: Answer[] = [];
    for (const one of batch) {
      if (!isOperation(one)) {
        if (dropped.has(one)) continue;
        deliverables.push(one);
        events.push(...eventsOfMessage(one));
        continue;
      }
      const drop = dropped.get(one);
      const outcome: Outcome =
        drop === undefined ? (this.settled.get(one) ?? this.applyOne(one)) : { refusal: drop.refusal };
      if (outcome.record !== undefined) {
        deliverables.push({ id: one.id, position: one.position, record: outcome.record });
      }
      events.push(...eventsOf(one, outcome.events));
      const { acknowledgeTo: to } = one.operation;
      if (to === undefined) continue;
      const { events: afterEvents = false, unsaved = false } = one.operation.kind === 'barrier' ? one.operation : {};
      const placed = hasRef(one) ? placedOf(one, drop?.first) : undefined;
      (unsaved ? promptAnswers : answers).push({
        to,
        operation: one.operation,
        refusal: outcome.refusal,
        placed,
        afterEvents,
      });
    }
    this.settled.clear();
    return { deliverables, events, answers, promptAnswers, changes: UnsavedChanges.take(this.state) };
  }

  /** The database has these changes now. */
  saved(changes: UnsavedChanges): void {
    changes.markSaved(this.state);
  }

  private applyOne(sequenced: SequencedOperation): Outcome {
    const { operation } = sequenced;
    try {
      if (operation.kind === 'schedule') this.timer.accepted(operation);
      return applyOperation(sequenced, this.state, this.rules);
    } catch (error) {
      // A mistake of ours in one operation must not stop a partition.
      this.onFailure(sequenced, error);
      return { refusal: { code: 'INTERNAL_ERROR', message: 'an internal error occurred' } };
    }
  }
}
