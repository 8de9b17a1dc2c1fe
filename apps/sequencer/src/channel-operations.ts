import {
  applyOperation,
  ChannelRules,
  ChannelState,
  missingFor,
  Outcome,
  SequencedOperation,
  takeDue,
  UnsavedChanges,
} from '@hearth/channels';
import type { BackendEvent } from '@hearth/protocol';
import { Database, loadCounts, loadPresence, loadReactions, loadSchedules, loadStorage } from '@hearth/store';
import { eventsOf, messagePublished } from './backend-events';
import type { Deliverable } from './fan-out';
import { isOperation, Sequenced, Sequencing } from './sequencing';

/** What came of a batch. */
export interface AppliedBatch {
  /** For the gateways, in order. */
  readonly deliverables: readonly Deliverable[];
  /** In order. */
  readonly events: readonly BackendEvent[];
  readonly answers: readonly Answer[];
  readonly changes: UnsavedChanges;
}

/** To be given once the changes can be read from Postgres. */
export interface Answer {
  readonly to: string;
  readonly refusal?: Outcome['refusal'];
}

/**
 * Operations on the channels of one partition: what they need is loaded in one go per batch, then they are applied one
 * after the other to what is in memory (`@hearth/channels`).
 */
export class ChannelOperations {
  private readonly state = new ChannelState();

  constructor(
    private readonly database: Pick<Database, 'db'>,
    private readonly rules: ChannelRules,
    private readonly onFailure: (operation: SequencedOperation, error: unknown) => void,
  ) {}

  /** Puts what schedules parked in the place of the operations that fire them; one that is gone or not due vanishes. */
  async unparkDue(batch: readonly Sequenced[], sequencing: Sequencing): Promise<readonly Sequenced[]> {
    if (!batch.some(({ operation }) => operation?.kind === 'fire')) return batch;
    await this.load(batch);
    return batch.flatMap((one) => {
      if (!isOperation(one) || one.operation.kind !== 'fire') return [one];
      const due = takeDue(one.operation, one.acceptedMs, this.state);
      return due === undefined ? [] : [sequencing.unpark(one, due.payload)];
    });
  }

  /** Loads what the operations of a batch need; may be repeated. */
  async load(batch: readonly Sequenced[]): Promise<void> {
    const { db } = this.database;
    const { state } = this;
    const needs = missingFor(
      batch.filter(isOperation).map(({ operation }) => operation),
      state,
    );
    const { presence, counts, storage, reactions, schedules } = needs;
    await Promise.all([
      presence.length > 0 && loadPresence(db, presence).then((rows) => state.presence.learn(presence, rows)),
      counts.length > 0 && loadCounts(db, counts).then((rows) => state.counts.learn(counts, rows)),
      storage.length > 0 && loadStorage(db, storage).then((rows) => state.storage.learn(storage, rows)),
      reactions.length > 0 && loadReactions(db, reactions).then((rows) => state.reactions.learn(reactions, rows)),
      schedules.length > 0 &&
        loadSchedules(db, schedules).then((rows) =>
          state.schedules.learn(
            schedules.map((scheduleId) => ({ scheduleId })),
            rows,
          ),
        ),
    ]);
  }

  /**
   * Applies a batch in its order; everything was loaded.
   *
   * @param dropped duplicates, which have no effect
   */
  apply(batch: readonly Sequenced[], dropped: ReadonlySet<Sequenced>): AppliedBatch {
    const deliverables: Deliverable[] = [];
    const events: BackendEvent[] = [];
    const answers: Answer[] = [];
    for (const one of batch) {
      if (!isOperation(one)) {
        if (dropped.has(one)) continue;
        deliverables.push(one);
        if (one.event.emitPubSubEvent) events.push(messagePublished(one));
        continue;
      }
      const outcome = dropped.has(one) ? {} : this.applyOne(one);
      if (outcome.record !== undefined) {
        deliverables.push({ id: one.id, position: one.position, record: outcome.record });
      }
      if (outcome.events !== undefined) events.push(...eventsOf(one, outcome.events));
      const { acknowledgeTo } = one.operation;
      if (acknowledgeTo !== undefined) answers.push({ to: acknowledgeTo, refusal: outcome.refusal });
    }
    return { deliverables, events, answers, changes: UnsavedChanges.take(this.state) };
  }

  /** The database has these changes now. */
  saved(changes: UnsavedChanges): void {
    changes.markSaved(this.state);
  }

  private applyOne(operation: SequencedOperation): Outcome {
    try {
      return applyOperation(operation, this.state, this.rules);
    } catch (error) {
      // A mistake of ours in one operation must not stop a partition.
      this.onFailure(operation, error);
      return { refusal: { code: 'INTERNAL_ERROR', message: 'an internal error occurred' } };
    }
  }
}
