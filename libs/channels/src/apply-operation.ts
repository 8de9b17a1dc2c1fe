import type { IngestOperation } from '@hearth/wire';
import type { ChannelState } from './channel-state';
import { applyConnection } from './connections';
import { NOTHING, Outcome, SequencedOf, SequencedOperation } from './outcome';
import { applyJoin, applyLeave, applyUmd } from './presence';
import { applyReaction, reactionKey } from './reactions';
import type { OfChannel, ReactionKey, ScheduleKey, StorageKey, SubscriptionKey } from './rows';
import { applyCancel, applySchedule } from './schedules';
import { applyStorage, applyStorageExpiry } from './storage';
import { announcedEnds, applySubscriptions } from './subscriptions';

/** Settings that decide about outcomes; the same on all nodes. */
export interface ChannelRules {
  /** Most bytes of a presence channel's member list (channels-presence-storage §3.1). */
  readonly presenceMaxBytes: number;
  /** Most members of a presence channel; no limit without (limits §2). */
  readonly maxMembers?: number;
}

/** What the operations need that `state` does not know, by table; each once. */
export function missingFor(operations: readonly IngestOperation[], state: ChannelState) {
  const presence: OfChannel[] = [];
  const counts: OfChannel[] = [];
  const subscriptions: SubscriptionKey[] = [];
  const storage: StorageKey[] = [];
  const reactions: ReactionKey[] = [];
  const schedules: ScheduleKey[] = [];
  for (const operation of operations) {
    switch (operation.kind) {
      case 'join':
      case 'leave':
      case 'umd':
        presence.push(operation);
        break;
      case 'subscriptions':
        // A total is told in events only.
        if (operation.events === true) counts.push(...operation.changes.filter(({ count }) => count !== undefined));
        subscriptions.push(...announcedEnds(operation));
        break;
      case 'storage':
      case 'storageExpiry':
        storage.push({ channel: operation.channel, key: operation.key });
        break;
      case 'reaction':
        reactions.push(reactionKey(operation));
        break;
      case 'schedule':
      case 'fire':
      case 'cancel':
        schedules.push({ scheduleId: operation.scheduleId });
        break;
      case 'barrier':
      case 'connection':
        break;
    }
  }
  return {
    presence: state.presence.missing(presence),
    counts: state.counts.missing(counts),
    subscriptions: state.subscriptions.missing(subscriptions),
    storage: state.storage.missing(storage),
    reactions: state.reactions.missing(reactions),
    schedules: state.schedules.missing(schedules),
  };
}

/**
 * Applies one operation to what is known about channels. Everything `missingFor` names must have been learned.
 *
 * `fire` is none of these: it becomes what was scheduled before anything is applied (`takeDue`).
 */
export function applyOperation(sequenced: SequencedOperation, state: ChannelState, rules: ChannelRules): Outcome {
  switch (sequenced.operation.kind) {
    case 'join':
      return applyJoin(sequenced as SequencedOf<'join'>, state, rules);
    case 'leave':
      return applyLeave(sequenced as SequencedOf<'leave'>, state);
    case 'umd':
      return applyUmd(sequenced as SequencedOf<'umd'>, state, rules);
    case 'subscriptions':
      return applySubscriptions(sequenced as SequencedOf<'subscriptions'>, state);
    case 'storage':
      return applyStorage(sequenced as SequencedOf<'storage'>, state);
    case 'storageExpiry':
      return applyStorageExpiry(sequenced as SequencedOf<'storageExpiry'>, state);
    case 'reaction':
      return applyReaction(sequenced as SequencedOf<'reaction'>, state);
    case 'schedule':
      return applySchedule(sequenced as SequencedOf<'schedule'>, state);
    case 'cancel':
      return applyCancel(sequenced as SequencedOf<'cancel'>, state);
    case 'connection':
      return applyConnection(sequenced as SequencedOf<'connection'>, state);
    case 'fire':
    case 'barrier':
      return NOTHING;
  }
}
